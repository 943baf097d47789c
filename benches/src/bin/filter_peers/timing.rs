//! Nanoseconds of the thread's CPU time.

use std::hint::black_box;

use cofferdam_benches::{
    SetupError, Share,
    engines::{Cofferdam, Engine, Matcher, QuaminaCrate},
    stream::{Rules, Shape, Stream, Worst},
    thread_cpu_time,
};

/// Somebody who is measured.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// Whether it matches rules, or only reads.
    pub(crate) has_rules: bool,
    matcher: Box<dyn Matcher>,
}

/// What reading and compiling rules took.
pub(crate) struct Built {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) rules: usize,
    /// The length of the rules' text in bytes.
    pub(crate) text: usize,
    /// CPU seconds.
    pub(crate) seconds: f64,
}

/// What one of the worst events took.
pub(crate) struct WorstTime {
    pub(crate) name: &'static str,
    pub(crate) worst: Worst,
    /// The length of the event in bytes.
    pub(crate) bytes: usize,
    pub(crate) ns: f64,
}

impl Contender {
    pub(crate) fn reader(name: &'static str, matcher: impl Matcher + 'static) -> Self {
        Self { name, has_rules: false, matcher: Box::new(matcher) }
    }

    pub(crate) fn verify(&mut self, stream: &Stream) -> Result<(), SetupError> {
        let verified = if self.has_rules {
            stream.verify(&mut *self.matcher)
        } else {
            let sum = self.matcher_pass(stream);
            self.came_to(sum, stream, 1)
        };
        verified.map_err(|error| format!("{}: {error}", self.name).into())
    }

    /// A pass that did other work than it says must not be read as a figure.
    fn came_to(&self, sum: u64, stream: &Stream, rounds: usize) -> Result<(), SetupError> {
        let once = if self.has_rules { stream.route_count() } else { stream.len() as u64 };
        let expected = once * rounds as u64;
        if sum == expected {
            Ok(())
        } else {
            Err(format!("a sum of {sum} and not {expected}").into())
        }
    }

    fn matcher_pass(&mut self, stream: &Stream) -> u64 {
        black_box(self.matcher.pass(black_box(stream)))
    }

    /// Nanoseconds an event.
    fn turn(&mut self, stream: &Stream, rounds: usize) -> Result<f64, SetupError> {
        let began = thread_cpu_time();
        let sum = (0..rounds).map(|_| self.matcher_pass(stream)).sum();
        let spent = thread_cpu_time().saturating_sub(began);
        self.came_to(sum, stream, rounds)?;
        Ok(spent.as_secs_f64() * 1e9 / (stream.len() * rounds) as f64)
    }
}

/// Builds an engine from rules and takes the time.
pub(crate) fn build<E: Engine>(
    rules: &Rules,
    built: &mut Vec<Built>,
) -> Result<Contender, SetupError> {
    let text = E::text(rules);
    let first = Stream::generate(rules, Share(0), 1);
    let began = thread_cpu_time();
    let engine = E::build(&text, first.events().next().unwrap_or_default())?;
    built.push(Built {
        name: E::NAME,
        shape: rules.shape(),
        rules: rules.len(),
        text: E::text_bytes(&text),
        seconds: thread_cpu_time().saturating_sub(began).as_secs_f64(),
    });
    Ok(Contender { name: E::NAME, has_rules: true, matcher: Box::new(engine) })
}

/// Nanoseconds an event of each contender, the median of its turns of so many rounds.
pub(crate) fn turns(
    contenders: &mut [Contender],
    stream: &Stream,
    turns: usize,
    rounds: usize,
) -> Result<Vec<f64>, SetupError> {
    let mut times = vec![Vec::with_capacity(turns); contenders.len()];
    for _ in 0..turns {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            times.push(contender.turn(stream, rounds)?);
        }
    }
    Ok(times.into_iter().map(median).collect())
}

/// The worst event, with twice the items and with twice the arrays; `peers` take seconds for it.
pub(crate) fn worst(peers: bool) -> Result<Vec<WorstTime>, SetupError> {
    let Worst { arrays, items } = Worst::MEASURED;
    let mut times = Vec::new();
    for (arrays, items) in [(arrays, items), (arrays, items * 2), (arrays * 2, items)] {
        times.push(worst_of::<Cofferdam>(Worst { arrays, items }, 1_000)?);
    }
    if peers {
        times.push(worst_of::<QuaminaCrate>(Worst::MEASURED, 1)?);
    }
    Ok(times)
}

fn worst_of<E: Engine>(worst: Worst, rounds: u32) -> Result<WorstTime, SetupError> {
    let event = worst.event();
    let mut engine = E::build(&E::worst_text(&worst), b"{}")?;
    let mut turns = Vec::new();
    for _ in 0..if rounds > 1 { 5 } else { 1 } {
        let began = thread_cpu_time();
        for _ in 0..rounds {
            if engine.matches(black_box(&event)) != 1 {
                return Err(format!("{}: the worst event does not match", E::NAME).into());
            }
        }
        let spent = thread_cpu_time().saturating_sub(began);
        turns.push(spent.as_secs_f64() * 1e9 / f64::from(rounds));
    }
    Ok(WorstTime { name: E::NAME, worst, bytes: event.len(), ns: median(turns) })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
