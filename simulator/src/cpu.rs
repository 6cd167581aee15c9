//! The processor time this process has used, for the figure of calls a CPU second.

/// Seconds on all threads together; wall time where the system doesn't tell.
pub fn seconds() -> f64 {
    // Clock ticks are hundredths of a second on every Linux there is (sysconf(_SC_CLK_TCK), USER_HZ).
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => (user + system) / TICKS,
        _ => wall(),
    }
}

fn wall() -> f64 {
    static BEGUN: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    BEGUN.elapsed().as_secs_f64()
}
