//! Events per second of CPU time.
//!
//! CPU time rather than the wall's: it does not count what other processes do to this machine, and it
//! does count the helper threads of a runtime that has any.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    Rig, Setup, SetupError, Share,
    events::{topics, under_share},
    rig::BATCH,
};

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// How many events went in.
    pub events: u64,
    /// How many of them were queued.
    pub matched: u64,
    /// What they cost, all threads of the process together.
    pub cpu: Duration,
}

impl Figures {
    /// Events per second of CPU time.
    #[must_use]
    pub fn per_cpu_second(&self) -> f64 {
        self.events as f64 / self.cpu.as_secs_f64().max(1e-9)
    }
}

/// The CPU time of this process so far.
#[must_use]
pub fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// The CPU time of this thread so far.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let spent = clock_gettime(clock);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// Goes round `events`, `share` of a hundred of them subscribed to, for `seconds` after a warm-up.
///
/// # Errors
///
/// [`SetupError`] if the pipeline cannot be set up, or did other work than it was to do.
pub fn measure(
    events: &[Vec<u8>],
    share: Share,
    warmup: Duration,
    lasting: Duration,
) -> Result<Figures, SetupError> {
    let mut rig = Rig::new(&Setup::new(&topics(events))?)?;
    let frames = under_share(events, share);
    if frames.len() < 100 {
        return Err("want at least a hundred events".into());
    }
    let mut next = 0;
    run(&mut rig, &frames, &mut next, warmup);
    let figures = run(&mut rig, &frames, &mut next, lasting);

    // A run that did other work than it says must not be read as a figure.
    let seen = 100.0 * figures.matched as f64 / figures.events as f64;
    if (seen - f64::from(share.0)).abs() > 0.1 {
        return Err(format!("{seen:.2} % matched, not {} %", share.0).into());
    }
    if !rig.is_sound() || rig.redactions() == 0 {
        return Err("events were refused, or nothing was redacted".into());
    }
    Ok(figures)
}

fn run(rig: &mut Rig, frames: &[Vec<u8>], next: &mut usize, lasting: Duration) -> Figures {
    let (began, spent) = (Instant::now(), cpu_time());
    let (mut events, mut matched) = (0, 0);
    while began.elapsed() < lasting || events == 0 {
        for _ in 0..BATCH {
            matched += u64::from(rig.take(&frames[*next]));
            *next += 1;
            if *next == frames.len() {
                *next = 0;
                rig.new_round();
            }
        }
        events += BATCH as u64;
    }
    Figures { events, matched, cpu: cpu_time().saturating_sub(spent) }
}
