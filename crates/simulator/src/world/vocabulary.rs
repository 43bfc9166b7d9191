//! The words made-up text consists of: enough variety to search in, small enough to read.

use rand::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;

pub(crate) const NOUNS: &[&str] = &[
    "invoice",
    "login",
    "export",
    "cache",
    "webhook",
    "report",
    "dashboard",
    "migration",
    "token",
    "search",
    "index",
    "queue",
    "payment",
    "mailer",
    "calendar",
    "backup",
    "gateway",
    "session",
    "importer",
    "tooltip",
    "checkout",
    "schema",
    "ledger",
    "avatar",
    "timeline",
    "printer",
    "translation",
    "sandbox",
    "certificate",
    "notification",
];
const VERBS: &[&str] = &[
    "fails",
    "hangs",
    "reloads",
    "flickers",
    "times out",
    "returns nothing",
    "shows stale data",
    "loses input",
    "counts twice",
    "rejects umlauts",
    "ignores the filter",
    "works again",
    "needs a second click",
    "is too slow",
];
const TASKS: &[&str] = &[
    "Fix",
    "Rework",
    "Document",
    "Remove",
    "Speed up",
    "Test",
    "Translate",
    "Measure",
    "Split",
    "Rename",
    "Audit",
    "Retire",
    "Add",
    "Simplify",
];
const ADJECTIVES: &[&str] = &[
    "old", "new", "nightly", "slow", "shared", "broken", "public", "internal", "large", "empty", "mobile", "legacy",
    "signed", "partial",
];
const TAILS: &[&str] = &[
    "on Safari",
    "after a redeploy",
    "for large tenants",
    "in the Zürich office",
    "when offline",
    "at month end",
    "with two accounts",
    "behind the proxy",
    "since Tuesday",
    "under load",
    "for new customers",
    "in dark mode",
];
/// Whole sentences in other scripts: an answer must survive them.
pub(crate) const FOREIGN: &[&str] = &[
    "Das Übergrößenträger-Problem bleibt.",
    "四个排序图：测试/注释覆盖度、复用度、模块性。",
    "Ошибка при загрузке 📦.",
    "L’été, ça ralentit — vraiment.",
    "مشكلة في تسجيل الدخول.",
    "한글 이름이 깨집니다 😵‍💫.",
    "naïve café 👩‍👩‍👧‍👦 déjà vu.",
];
pub(crate) const LABELS: &[&str] =
    &["backend", "frontend", "urgent", "flaky", "customer", "größe", "security", "技術", "cleanup", "perf"];
pub(crate) const PEOPLE: &[&str] = &[
    "Mia Krystof",
    "Jonas Weiß",
    "Aiko Tanaka 田中",
    "Olu Adeyemi",
    "Zoë Łukasik",
    "Søren Østergård",
    "Priya Raman",
    "Ahmed El-Sayed",
    "Chloé Lefèvre",
    "Иван Петров",
    "Mateo García",
    "Nguyễn Minh",
    "Siobhán O’Neill",
    "Björn Ek",
];
pub(crate) const PROJECTS: &[(&str, &str)] = &[
    ("ACME", "Acme Shop"),
    ("WEB", "Web Front"),
    ("OPS", "Operations"),
    ("PAY", "Payments"),
    ("MOB", "Mobile App"),
    ("DATA", "Data Platform"),
    ("HR", "People & Größen"),
    ("SEC", "Security"),
    ("DOCS", "Documentation"),
    ("LAB", "研究室"),
];

/// One of `words`; an empty list gives an empty word.
pub(crate) fn pick(rng: &mut Xoshiro256PlusPlus, words: &'static [&'static str]) -> &'static str {
    words.choose(rng).copied().unwrap_or_default()
}

/// A title like `Fix nightly export on Safari`.
pub(crate) fn summary(rng: &mut Xoshiro256PlusPlus) -> String {
    let start = format!("{} {} {}", pick(rng, TASKS), pick(rng, ADJECTIVES), pick(rng, NOUNS));
    match rng.random_range(0..10) {
        0 => format!("{start} – {}", pick(rng, FOREIGN)),
        1..=4 => format!("{start} {}", pick(rng, TAILS)),
        _ => start,
    }
}

/// A statement like `The old login hangs behind the proxy`, without its full stop.
pub(crate) fn sentence(rng: &mut Xoshiro256PlusPlus) -> String {
    format!("The {} {} {} {}", pick(rng, ADJECTIVES), pick(rng, NOUNS), pick(rng, VERBS), pick(rng, TAILS))
}
