//! The Lua scripts: each one step for Redis, over bounded work (some 500 records) and within one slot of a cluster.
//!
//! Fetching is no script: a reply built in Lua costs twice. Redis forgets scripts on a restart; `invoke_async` loads them again.

use std::sync::LazyLock;

use redis::Script;

/// The most records one call of a script may carry: about 2 ms of Redis, and below what Lua's `unpack` takes.
pub(crate) const RECORDS: usize = 500;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $($file:literal)+;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: LazyLock<Script> =
                LazyLock::new(|| Script::new(concat!(include_str!("lua/prelude.lua"), $(include_str!($file)),+)));
        )*
    };
}

scripts! {
    /// Adds jobs, now or later, each once per unique key.
    ENQUEUE = "lua/adding.lua" "lua/enqueue.lua";
    /// Serves turns of the timetable.
    FIRE = "lua/adding.lua" "lua/fire.lua";
    /// Decides which scheduler leads.
    LEAD = "lua/lead.lua";
    /// Touches issues and asks for a look at their lanes.
    TOUCH = "lua/touch.lua";
    /// Reads touched issues.
    TOUCHED = "lua/touched.lua";
    /// Removes touched issues that were looked at.
    SETTLE_TOUCHED = "lua/settle_touched.lua";
    /// Reads touched issues that have rested.
    RESTED = "lua/rested.lua";
    /// Decides whether deliveries may run.
    START = "lua/start.lua";
    /// Applies outcomes.
    FINISH = "lua/finish.lua";
    /// Renews leases.
    RENEW = "lua/renew.lua";
    /// Moves due jobs to the ready ones.
    PROMOTE = "lua/promote.lua";
    /// Removes marks of runs that nobody renewed.
    SWEEP = "lua/sweep.lua";
    /// Forgets consumers that are gone.
    REAP = "lua/reap.lua";
    /// Puts a dead letter back.
    REPLAY = "lua/replay.lua";
    /// Pauses a queue or an instance.
    PAUSE = "lua/pause.lua";
    /// Ends a pause.
    RESUME = "lua/resume.lua";
    /// Puts the jobs of a paused instance aside.
    PARK = "lua/park.lua";
    /// Puts them back into the line.
    RELEASE = "lua/release.lua";
    /// Remembers that a job was called off.
    CANCEL = "lua/cancel.lua";
    /// Takes a job that waits out of the line.
    REMOVE = "lua/remove.lua";
    /// Makes a delayed job due.
    HASTEN = "lua/hasten.lua";
    /// Keeps the lines of instances moving, whatever the counts say.
    FEED = "lua/feed.lua";
    /// Forgets dead letters of long ago, and those that take too much memory.
    TRIM = "lua/trim.lua";
    /// Decides who refreshes the gauges.
    GAUGES = "lua/gauges.lua";
}
