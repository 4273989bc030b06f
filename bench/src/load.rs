//! Sends requests over kept connections and measures: as fast as answers come, or at a fixed rate.
//!
//! At a fixed rate a latency counts from the moment at which the request was due, not from when it could be sent.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use serde::Serialize;

use crate::histogram::Histogram;
use crate::http_stream::{HttpStream, Progress, content_length};
use crate::processor::{CoreTicks, resident, time_of};

const TIMER: Token = Token(usize::MAX - 1);
/// Without an answer for this long the contestant has failed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Load {
    target: SocketAddr,
    /// Lines of `path token`.
    tokens: PathBuf,
    /// How many of the tokens take turns.
    #[arg(long, default_value_t = 1)]
    distinct: usize,
    /// Every token is sent once; the measurement ends when they are used up.
    #[arg(long)]
    once: bool,
    /// Asks for this instead of `items`.
    #[arg(long, default_value = "items")]
    resource: String,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Requests a second; as many as possible without it.
    #[arg(long)]
    rate: Option<u64>,
    /// Seconds that do not count.
    #[arg(long, default_value_t = 1.5)]
    warm_up: f64,
    /// Seconds that do.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Processes whose processor time and memory are measured.
    #[arg(long = "process")]
    processes: Vec<u32>,
}

/// What was measured.
#[derive(Serialize)]
struct Figures {
    requests: u64,
    failed: u64,
    seconds: f64,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Of the contestant's core and of ours, between 0 and 1.
    core0_busy: f64,
    core1_busy: f64,
    /// Of the given processes: share of one core, and microseconds a request.
    process_busy: f64,
    process_us_per_request: f64,
    resident_mib: f64,
}

/// Requests as they are sent, one after the other in a ring.
struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    next: usize,
    is_once: bool,
}

/// When requests are due.
struct Schedule {
    timer: File,
    interval: Duration,
    /// The moment of the last expiry.
    due: Instant,
}

struct Connection {
    http: HttpStream,
    /// When the request under way was sent, or was due.
    since: Option<Instant>,
    /// The head of its answer said 200.
    is_good: bool,
}

struct Run<'l> {
    load: &'l Load,
    poll: Poll,
    requests: Requests,
    connections: Vec<Connection>,
    /// Connections without a request.
    idle: Vec<usize>,
    /// Requests that are due and wait for a connection.
    due: VecDeque<Instant>,
    latencies: Histogram,
    done: u64,
    failed: u64,
    is_measuring: bool,
    last_answer: Instant,
}

impl Load {
    pub(crate) fn run(&self) -> Result<(), String> {
        let requests = Requests::read(self)?;
        let figures = Run::start(self, requests)
            .and_then(Run::measure)
            .map_err(|error| format!("the load failed: {error}"))?;
        let text = serde_json::to_string(&figures).map_err(|error| error.to_string())?;
        println!("{text}");
        Ok(())
    }
}

impl Requests {
    fn read(load: &Load) -> Result<Self, String> {
        let text = fs::read_to_string(&load.tokens)
            .map_err(|error| format!("{}: {error}", load.tokens.display()))?;
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for line in text.lines().take(load.distinct) {
            let (path, token) = line.split_once(' ').ok_or("a line without a token")?;
            let path = path.strip_suffix("items").unwrap_or(path);
            bytes.extend_from_slice(
                format!(
                    "GET {path}{} HTTP/1.1\r\nHost: gateway.example\r\nUser-Agent: bench\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n",
                    load.resource
                )
                .as_bytes(),
            );
            ends.push(bytes.len());
        }
        if ends.len() < load.distinct {
            return Err(format!("there are only {} tokens", ends.len()));
        }
        Ok(Self {
            bytes,
            ends,
            next: 0,
            is_once: load.once,
        })
    }

    fn next(&mut self) -> Option<&[u8]> {
        if self.next == self.ends.len() {
            if self.is_once {
                return None;
            }
            self.next = 0;
        }
        let from = match self.next {
            0 => 0,
            next => self.ends[next - 1],
        };
        let until = self.ends[self.next];
        self.next += 1;
        Some(&self.bytes[from..until])
    }
}

impl<'l> Run<'l> {
    fn start(load: &'l Load, requests: Requests) -> io::Result<Self> {
        let mut run = Self {
            load,
            poll: Poll::new()?,
            requests,
            connections: Vec::new(),
            idle: (0..load.connections).rev().collect(),
            due: VecDeque::new(),
            latencies: Histogram::default(),
            done: 0,
            failed: 0,
            is_measuring: false,
            last_answer: Instant::now(),
        };
        for index in 0..load.connections {
            let connection = run.connect(index)?;
            run.connections.push(connection);
        }
        Ok(run)
    }

    fn connect(&self, index: usize) -> io::Result<Connection> {
        let stream = std::net::TcpStream::connect(self.load.target)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        Ok(Connection {
            http: HttpStream::new(stream),
            since: None,
            is_good: false,
        })
    }

    fn measure(mut self) -> io::Result<Figures> {
        let mut schedule = self.load.rate.map(Schedule::start).transpose()?;
        if let Some(schedule) = &schedule {
            self.poll.registry().register(
                &mut SourceFd(&schedule.timer.as_raw_fd()),
                TIMER,
                Interest::READABLE,
            )?;
        } else {
            while let Some(index) = self.idle.pop() {
                self.send(index, Instant::now())?;
            }
        }
        let begun = Instant::now();
        let warm = Duration::from_secs_f64(self.load.warm_up);
        self.until(begun + warm, schedule.as_mut())?;

        self.latencies = Histogram::default();
        (self.done, self.failed, self.is_measuring) = (0, 0, true);
        let cores = [CoreTicks::read(0), CoreTicks::read(1)];
        let used = self.processor_time();
        let from = Instant::now();
        self.until(
            from + Duration::from_secs_f64(self.load.seconds),
            schedule.as_mut(),
        )?;

        let seconds = from.elapsed().as_secs_f64();
        let used = (self.processor_time() - used) as f64 / 1_000.0;
        Ok(Figures {
            requests: self.done,
            failed: self.failed,
            seconds,
            requests_per_second: self.done as f64 / seconds,
            p50_us: self.latencies.quantile(500),
            p99_us: self.latencies.quantile(990),
            core0_busy: CoreTicks::read(0).busy_since(cores[0]),
            core1_busy: CoreTicks::read(1).busy_since(cores[1]),
            process_busy: used / 1_000_000.0 / seconds,
            process_us_per_request: used / (self.done.max(1) as f64),
            resident_mib: self.load.processes.iter().copied().map(resident).sum(),
        })
    }

    fn processor_time(&self) -> u64 {
        self.load.processes.iter().copied().map(time_of).sum()
    }

    /// Works until then, or until no request is left.
    fn until(&mut self, end: Instant, mut schedule: Option<&mut Schedule>) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            let now = Instant::now();
            if now >= end || (self.requests.is_once && self.idle.len() == self.connections.len()) {
                return Ok(());
            }
            if now.duration_since(self.last_answer) > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no more answers"));
            }
            match self
                .poll
                .poll(&mut events, Some(Duration::from_millis(100)))
            {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                if event.token() == TIMER {
                    if let Some(schedule) = schedule.as_deref_mut() {
                        schedule.add_due(&mut self.due);
                    }
                } else {
                    self.work(event.token().0)?;
                }
            }
            while let (Some(&since), Some(&index)) = (self.due.front(), self.idle.last()) {
                self.due.pop_front();
                self.idle.pop();
                self.send(index, since)?;
            }
        }
    }

    fn send(&mut self, index: usize, since: Instant) -> io::Result<()> {
        let Some(request) = self.requests.next() else {
            self.idle.push(index);
            return Ok(());
        };
        let connection = &mut self.connections[index];
        connection.since = Some(since);
        connection.http.send(&[request])
    }

    fn work(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let mut is_good = connection.is_good;
        let mut is_whole = false;
        let progress = connection.http.flush().and_then(|()| {
            connection.http.receive(
                |head| {
                    is_good = head.starts_with(b"HTTP/1.1 200 ");
                    content_length(head).unwrap_or_else(|| {
                        is_good = false;
                        0
                    })
                },
                |_| is_whole = true,
            )
        });
        connection.is_good = is_good;
        let is_open = matches!(progress, Ok(Progress::Waiting));
        if is_whole || (!is_open && connection.since.is_some()) {
            let since = connection.since.take();
            let now = Instant::now();
            self.done += u64::from(is_whole);
            self.failed += u64::from(!is_whole || !is_good);
            self.last_answer = now;
            if let Some(since) = since
                && self.is_measuring
            {
                self.latencies.record(now.duration_since(since));
            }
            if !is_open {
                self.connections[index] = self.connect(index)?;
            }
            if self.load.rate.is_none() {
                return self.send(index, now);
            }
            self.idle.push(index);
        } else if !is_open {
            self.connections[index] = self.connect(index)?;
        }
        Ok(())
    }
}

impl Schedule {
    /// Expires at the given rate from now on.
    fn start(rate: u64) -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let nanoseconds = 1_000_000_000 / rate.max(2);
        let every = Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(nanoseconds).unwrap_or(i64::MAX),
        };
        let due = Instant::now();
        timerfd_settime(
            &timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec {
                it_interval: every,
                it_value: every,
            },
        )?;
        Ok(Self {
            timer: File::from(timer),
            interval: Duration::from_nanos(nanoseconds),
            due,
        })
    }

    fn add_due(&mut self, waiting: &mut VecDeque<Instant>) {
        let mut expired = [0; 8];
        if self.timer.read_exact(&mut expired).is_err() {
            return;
        }
        for _ in 0..u64::from_ne_bytes(expired) {
            self.due += self.interval;
            waiting.push_back(self.due);
        }
    }
}
