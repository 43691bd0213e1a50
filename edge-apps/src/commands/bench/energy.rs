//! How much power a board draws, where it has a sensor for that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::board::listed;

/// The channel of a Jetson's that all it draws goes through, on boards that have one.
const WHOLE: &str = "VDD_IN";

/// A sensor of power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sensor {
    /// A Jetson's INA3221: files with millivolts and milliamperes of each channel that counts.
    Ina3221(Vec<[PathBuf; 2]>),
    /// A Raspberry Pi 5's power chip, by `vcgencmd`.
    Pmic,
}

impl Sensor {
    /// The one that this machine has, `/` being where its files begin.
    pub fn find(root: &Path) -> Option<Self> {
        let mut channels = Vec::new();
        for chip in listed(&root.join("sys/class/hwmon"), "hwmon") {
            let text = |name: &str| fs::read_to_string(chip.join(name)).ok().map(|text| text.trim().to_owned());
            if text("name").as_deref() != Some("ina3221") {
                continue;
            }
            for number in 1..=3 {
                let files = [format!("in{number}_input"), format!("curr{number}_input")].map(|name| chip.join(name));
                if let Some(label) =
                    text(&format!("in{number}_label")).filter(|_| files.iter().all(|file| file.exists()))
                {
                    channels.push((label, files));
                }
            }
        }
        if let Some(whole) = channels.iter().find(|(label, _)| label == WHOLE) {
            channels = vec![whole.clone()];
        }
        if !channels.is_empty() {
            return Some(Self::Ina3221(channels.into_iter().map(|(_, files)| files).collect()));
        }
        Self::Pmic.watts().map(|_| Self::Pmic)
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Ina3221(_) => "INA3221",
            Self::Pmic => "Raspberry Pi 5 PMIC",
        }
    }

    /// How often it is asked: another program is slower than a file.
    fn period(&self) -> Duration {
        match self {
            Self::Ina3221(_) => Duration::from_millis(100),
            Self::Pmic => Duration::from_secs(1),
        }
    }

    /// What is drawn now.
    fn watts(&self) -> Option<f64> {
        match self {
            Self::Ina3221(channels) => {
                let value = |file: &PathBuf| fs::read_to_string(file).ok()?.trim().parse::<f64>().ok();
                channels.iter().map(|[volts, amperes]| Some(value(volts)? * value(amperes)? / 1e6)).sum()
            }
            Self::Pmic => {
                let output = Command::new("vcgencmd").arg("pmic_read_adc").output().ok()?;
                pmic_watts(&String::from_utf8(output.stdout).ok()?)
            }
        }
    }
}

/// The sum over all channels that have both, of lines such as `3V3_SYS_A current(1)=0.19A` and `3V3_SYS_V volt(9)=3.31V`.
fn pmic_watts(text: &str) -> Option<f64> {
    let value = |line: &str| line.split_once('=')?.1.trim_end_matches(['A', 'V']).parse::<f64>().ok();
    let lines = || text.lines().map(str::trim);
    let watts: Vec<f64> = lines()
        .filter_map(|line| {
            let (channel, _) = line.split_once("_A current")?;
            let volts =
                lines().find(|line| line.strip_prefix(channel).is_some_and(|rest| rest.starts_with("_V volt")))?;
            Some(value(line)? * value(volts)?)
        })
        .collect();
    (!watts.is_empty()).then(|| watts.iter().sum())
}

/// Asks a sensor again and again.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<f64>>,
}

impl Watch {
    pub fn start(sensor: Sensor) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut watts = Vec::new();
            while !asked.load(Ordering::Relaxed) {
                watts.extend(sensor.watts());
                std::thread::sleep(sensor.period());
            }
            watts
        });
        Self { stop, thread }
    }

    /// Asks no more.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What was drawn in the mean.
    pub fn mean_watts(self) -> Option<f64> {
        self.stop();
        let watts = self.thread.join().ok()?;
        (!watts.is_empty()).then(|| watts.iter().sum::<f64>() / watts.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jetson_s_channels_are_summed_unless_one_is_of_all() {
        let root = tempfile::tempdir().unwrap();
        let chip = root.path().join("sys/class/hwmon/hwmon1");
        fs::create_dir_all(&chip).unwrap();
        let write = |name: &str, text: &str| fs::write(chip.join(name), text).unwrap();
        write("name", "ina3221\n");
        for (number, label, amperes) in [(1, "VDD_GPU_SOC", 1000), (2, "VDD_CPU_CV", 500)] {
            write(&format!("in{number}_label"), label);
            write(&format!("in{number}_input"), "5000\n");
            write(&format!("curr{number}_input"), &format!("{amperes}\n"));
        }
        let watts = |root: &Path| Sensor::find(root).unwrap().watts().unwrap();
        assert!((watts(root.path()) - 7.5).abs() < 1e-9);
        write("in3_label", "VDD_IN");
        write("in3_input", "5000\n");
        write("curr3_input", "2000\n");
        assert!((watts(root.path()) - 10.0).abs() < 1e-9);
        let watch = Watch::start(Sensor::find(root.path()).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        assert!((watch.mean_watts().unwrap() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_raspberry_pi_s_channels_are_matched_by_name() {
        let text = " 3V3_SYS_A current(1)=0.20000000A\n VDD_CORE_A current(7)=2.00000000A\n 3V3_SYS_V volt(9)=3.30000000V\n\
                    VDD_CORE_V volt(15)=0.75000000V\n EXT5V_V volt(24)=5.10000000V\n";
        assert!((pmic_watts(text).unwrap() - (0.66 + 1.5)).abs() < 1e-9);
        assert_eq!(pmic_watts("error=1"), None);
    }
}
