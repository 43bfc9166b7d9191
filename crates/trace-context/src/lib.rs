//! The thread that runs through processes: W3C trace context of the current span, and spans that go on with one or point at
//! others. Where no spans are collected it says nothing and costs next to nothing.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The current span as a `traceparent`, for whoever goes on with its work elsewhere.
pub fn current() -> Option<String> {
    let context = Span::current().context();
    let (span, flags) = (context.span().span_context().clone(), context.span().span_context().trace_flags());
    let sampled = u8::from(flags.is_sampled());
    span.is_valid().then(|| format!("00-{}-{}-{sampled:02x}", span.trace_id(), span.span_id()))
}

/// The ids of trace and span in a `traceparent`.
pub fn ids(parent: &str) -> Option<(&str, &str)> {
    let mut parts = parent.split('-').skip(1);
    Some((parts.next()?, parts.next()?))
}

/// Makes a span that was not entered yet a child of a `traceparent`. One that cannot be read is passed over, as W3C asks.
pub fn go_on(span: &Span, parent: Option<&str>) {
    if let Some(parent) = parent.and_then(read) {
        // Where no spans are collected there is nothing to go on with.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Points from a span at one that led to it.
pub fn link(span: &Span, parent: &str) {
    if let Some(parent) = read(parent) {
        span.add_link(parent);
    }
}

/// Version 00; of later versions, what 00 has.
fn read(parent: &str) -> Option<SpanContext> {
    let parts: Vec<&str> = parent.trim().split('-').collect();
    let [version, trace, span, flags, rest @ ..] = parts.as_slice() else { return None };
    let fits = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    if !fits(version, 2) || *version == "ff" || (*version == "00" && !rest.is_empty()) {
        return None;
    }
    if !fits(trace, 32) || !fits(span, 16) || !fits(flags, 2) {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn parents_are_read_as_w3c_says() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let context = read(&good).expect("a parent");
        assert!(context.is_remote() && context.is_sampled());
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert_eq!(ids(&good), Some((TRACE, "00f067aa0ba902b7")));
        assert!(read(&format!("cc-{TRACE}-00f067aa0ba902b7-01-more")).is_some());
        assert!(!read(&format!("00-{TRACE}-00f067aa0ba902b7-00")).expect("a parent").is_sampled());
        for bad in [
            String::new(),
            "nonsense".to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-00f067aa0ba902b7-1"),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn without_a_collector_there_is_no_trace() {
        let span = tracing::info_span!("alone");
        go_on(&span, Some(&format!("00-{TRACE}-00f067aa0ba902b7-01")));
        link(&span, &format!("00-{TRACE}-00f067aa0ba902b7-01"));
        assert_eq!(span.in_scope(current), None);
    }
}
