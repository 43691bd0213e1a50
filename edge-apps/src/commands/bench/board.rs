//! What machine this is, and the state that it is in: its clocks, its heat, whether it is held back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// How the folders of places begin that have a thermometer.
const ZONE: &str = "thermal_zone";

/// What a machine is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Board {
    /// What its device tree calls it, or else its CPU.
    pub name: String,
    /// The chip, as the device tree has it.
    pub soc: Option<String>,
    pub cpu: String,
    pub kernel: String,
    pub os: String,
}

/// What may change while something runs.
#[derive(Debug, PartialEq, Serialize)]
pub struct State {
    /// Of each CPU, where it has one.
    pub governors: Vec<String>,
    pub frequencies_mhz: Vec<f64>,
    /// By the zones' kinds, and their numbers where several are of one kind.
    pub temperatures_c: BTreeMap<String, f64>,
    /// What a Raspberry Pi's firmware says of undervoltage and heat, in its own bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<String>,
    /// How often a Jetson has been held back for drawing too much, by the counters' names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overcurrent_events: BTreeMap<String, u64>,
}

impl Board {
    /// What the files of a system say, `/` being where they begin.
    pub fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let cpuinfo = text("proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|found| found.trim() == name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let arm = || Some(arm_core(&field("CPU implementer")?, &field("CPU part")?));
        let cpu = field("model name").or_else(arm).unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        // strings end with a zero there
        let tree = |name: &str| Some(text(&format!("proc/device-tree/{name}"))?.trim_end_matches('\0').to_owned());
        let os_release = text("etc/os-release").unwrap_or_default();
        let os = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        Self {
            name: tree("model").unwrap_or_else(|| cpu.clone()),
            soc: tree("compatible").and_then(|list| list.split('\0').next_back().map(str::to_owned)),
            cpu,
            kernel: text("proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            os: os.unwrap_or(std::env::consts::OS).trim_matches('"').to_owned(),
        }
    }
}

/// # Source
/// Arm's "Main ID Register" of each core: implementer and part number.
fn arm_core(implementer: &str, part: &str) -> String {
    let name = match (implementer, part) {
        ("0x41", "0xd03") => "Cortex-A53",
        ("0x41", "0xd07") => "Cortex-A57",
        ("0x41", "0xd08") => "Cortex-A72",
        ("0x41", "0xd0b") => "Cortex-A76",
        ("0x41", "0xd0c") => "Neoverse-N1",
        ("0x41", "0xd42") => "Cortex-A78AE",
        ("0x4e", "0x004") => "Carmel",
        _ => return format!("ARM core {implementer}/{part}"),
    };
    name.to_owned()
}

impl State {
    /// What the files of a system say, `/` being where they begin, and a Raspberry Pi's `vcgencmd`.
    pub fn read(root: &Path) -> Self {
        let text = |path: &Path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let (mut governors, mut frequencies_mhz) = (Vec::new(), Vec::new());
        for number in 0.. {
            let cpu = root.join(format!("sys/devices/system/cpu/cpu{number}"));
            if !cpu.exists() {
                break;
            }
            governors.extend(text(&cpu.join("cpufreq/scaling_governor")));
            let khz = text(&cpu.join("cpufreq/scaling_cur_freq")).and_then(|khz| khz.parse::<f64>().ok());
            frequencies_mhz.extend(khz.map(|khz| khz / 1e3));
        }
        let mut temperatures_c = BTreeMap::new();
        let zones = listed(&root.join("sys/class/thermal"), ZONE);
        let kinds: Vec<Option<String>> = zones.iter().map(|zone| text(&zone.join("type"))).collect();
        for (zone, kind) in zones.iter().zip(&kinds) {
            let heat = text(&zone.join("temp")).map(|heat| heat.parse::<f64>());
            if let (Some(name), Some(Ok(millidegrees))) = (kind, heat) {
                let is_shared = kinds.iter().filter(|other| *other == kind).count() > 1;
                let folder = zone.file_name().unwrap_or_default().to_string_lossy();
                let number = folder.strip_prefix(ZONE).unwrap_or_default();
                let name = if is_shared { format!("{name} {number}") } else { name.clone() };
                temperatures_c.insert(name, millidegrees / 1e3);
            }
        }
        let mut overcurrent_events = BTreeMap::new();
        for chip in listed(&root.join("sys/class/hwmon"), "hwmon") {
            for counter in listed(&chip, "oc") {
                let name = counter.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if let (true, Some(Ok(count))) =
                    (name.ends_with("_event_cnt"), text(&counter).map(|count| count.parse()))
                {
                    overcurrent_events.insert(name, count);
                }
            }
        }
        Self { governors, frequencies_mhz, temperatures_c, throttled: throttled(), overcurrent_events }
    }
}

/// What a Raspberry Pi says, `throttled=0x50000`.
fn throttled() -> Option<String> {
    let output = Command::new("vcgencmd").arg("get_throttled").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().strip_prefix("throttled=")?.to_owned())
}

/// What is in a folder under names that begin so, in the order of their names.
pub fn listed(folder: &Path, beginning: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let begins =
        |path: &std::path::PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning));
    let mut found: Vec<_> = entries.filter(begins).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_board_is_what_its_files_say() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0");
        write(root, "proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0");
        write(root, "proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n");
        write(root, "proc/sys/kernel/osrelease", "6.6.31+rpt-rpi-2712\n");
        write(root, "etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        let board = Board::read(root);
        assert_eq!((board.name.as_str(), board.cpu.as_str()), ("Raspberry Pi 5 Model B Rev 1.0", "Cortex-A76"));
        assert_eq!((board.soc.as_deref(), board.kernel.as_str()), (Some("brcm,bcm2712"), "6.6.31+rpt-rpi-2712"));
        assert_eq!(board.os, "Debian GNU/Linux 12 (bookworm)");
        // a PC has no device tree
        write(root, "proc/cpuinfo", "model name\t: A Fine CPU @ 3GHz\n");
        fs::remove_dir_all(root.join("proc/device-tree")).unwrap();
        let board = Board::read(root);
        assert_eq!((board.name.as_str(), board.soc), ("A Fine CPU @ 3GHz", None));
    }

    #[test]
    fn a_state_is_what_its_files_say_and_nothing_where_there_are_none() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for cpu in 0..2 {
            write(root, &format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"), "ondemand\n");
            write(root, &format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq"), "2400000\n");
        }
        write(root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
        write(root, "sys/class/thermal/thermal_zone0/temp", "51250\n");
        write(root, "sys/class/hwmon/hwmon3/oc1_event_cnt", "4\n");
        write(root, "sys/class/hwmon/hwmon3/oc1_throt_en", "1\n");
        let state = State::read(root);
        assert_eq!((state.governors, state.frequencies_mhz), (vec!["ondemand".to_owned(); 2], vec![2400.0; 2]));
        assert_eq!(state.temperatures_c, BTreeMap::from([("cpu-thermal".to_owned(), 51.25)]));
        assert_eq!(state.overcurrent_events, BTreeMap::from([("oc1_event_cnt".to_owned(), 4)]));
        // several thermometers of one kind
        write(root, "sys/class/thermal/thermal_zone10/type", "cpu-thermal\n");
        write(root, "sys/class/thermal/thermal_zone10/temp", "60000\n");
        write(root, "sys/class/thermal/thermal_zone2/type", "gpu-thermal\n");
        write(root, "sys/class/thermal/thermal_zone2/temp", "40000\n");
        let heats = [("cpu-thermal 0", 51.25), ("cpu-thermal 10", 60.0), ("gpu-thermal", 40.0)];
        let heats = heats.map(|(zone, heat)| (zone.to_owned(), heat));
        assert_eq!(State::read(root).temperatures_c, BTreeMap::from(heats));
        let nothing = State::read(Path::new("/nowhere"));
        assert!(nothing.governors.is_empty() && nothing.temperatures_c.is_empty());
    }
}
