//! A browser, driven by its `DevTools` protocol.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

const SOON: Duration = Duration::from_secs(30);

/// A browser that nobody sees.
pub struct Chromium {
    child: Child,
    port: u16,
    /// Of the browser's own socket.
    path: String,
    _profile: TempDir,
}

impl Chromium {
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new("chromium")
            // its sandbox is not for root, and what it is shown here is our own
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args([
                "--remote-debugging-port=0",
                &format!("--user-data-dir={}", profile.path().display()),
                "about:blank",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium, which `ci/setup tests` installs");
        let file = profile.path().join("DevToolsActivePort");
        let start = Instant::now();
        let (port, path) = loop {
            let said = fs::read_to_string(&file).unwrap_or_default();
            if let Some((port, path)) = said.split_once('\n').filter(|(_, path)| !path.is_empty()) {
                break (port.parse().unwrap(), path.trim().to_owned());
            }
            assert!(start.elapsed() < SOON, "chromium does not start");
            std::thread::sleep(Duration::from_millis(50));
        };
        Self { child, port, path, _profile: profile }
    }

    /// Opens a page.
    pub fn open(&self, address: &str) -> Tab {
        // the browser itself has a socket, which opens pages, each in a window: behind another one it would be hidden
        let mut browser = self.socket(&self.path);
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank", "newWindow": true }));
        let page = format!("/devtools/page/{}", target["targetId"].as_str().unwrap());
        let mut tab = self.socket(&page);
        tab.call("Page.enable", json!({}));
        tab.call("Log.enable", json!({}));
        tab.call("Runtime.enable", json!({}));
        tab.call("Page.navigate", json!({ "url": address }));
        tab
    }

    fn socket(&self, path: &str) -> Tab {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let socket = tungstenite::client(format!("ws://127.0.0.1:{}{path}", self.port), stream).unwrap().0;
        Tab { socket, number: 0, faults: Vec::new() }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page in the browser.
pub struct Tab {
    socket: WebSocket<TcpStream>,
    number: u64,
    /// What the page did wrong: exceptions, and what its policy refused.
    pub faults: Vec<String>,
}

impl Tab {
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let call = json!({ "id": self.number, "method": method, "params": params });
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let said: Value = serde_json::from_str(&text).unwrap();
            let is_fault = said["method"] == "Runtime.exceptionThrown"
                || (said["method"] == "Log.entryAdded" && said["params"]["entry"]["level"] == "error");
            if is_fault {
                self.faults.push(said["params"].to_string());
            }
            if said["id"] == self.number {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    /// What a line of JavaScript comes to.
    pub fn eval(&mut self, line: &str) -> Value {
        let params = json!({ "expression": line, "awaitPromise": true, "returnByValue": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{line}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until a line of JavaScript is true.
    pub fn until(&mut self, line: &str) {
        let start = Instant::now();
        while self.eval(line) != Value::Bool(true) {
            let words = self.eval("document.body.innerText");
            assert!(start.elapsed() < SOON, "never: {line}\n{words}\n{:?}", self.faults);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The width and height of the window, and whether it is a phone's.
    pub fn size(&mut self, width: u32, height: u32, is_phone: bool) {
        let scale = if is_phone { 2 } else { 1 };
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone });
        self.call("Emulation.setDeviceMetricsOverride", params);
        self.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": is_phone }));
    }

    pub fn scheme(&mut self, name: &str) {
        let feature = json!([{ "name": "prefers-color-scheme", "value": name }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": feature }));
    }

    /// Moves the mouse with its button down, from a place of an element to another: shares of its sides.
    pub fn drag(&mut self, element: &str, from: [f64; 2], to: [f64; 2]) {
        let places = [from, to].map(|place| self.at(element, place));
        let middle = [0, 1].map(|axis| f64::midpoint(places[0][axis], places[1][axis]));
        for (kind, [x, y]) in [
            ("mousePressed", places[0]),
            ("mouseMoved", middle),
            ("mouseMoved", places[1]),
            ("mouseReleased", places[1]),
        ] {
            let params = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Moves a finger.
    pub fn swipe(&mut self, element: &str, from: [f64; 2], to: [f64; 2]) {
        let places = [from, to].map(|place| self.at(element, place));
        for (kind, place) in [("touchStart", Some(places[0])), ("touchMove", Some(places[1])), ("touchEnd", None)] {
            let points: Vec<Value> = place.iter().map(|[x, y]| json!({ "x": x, "y": y })).collect();
            self.call("Input.dispatchTouchEvent", json!({ "type": kind, "touchPoints": points }));
        }
    }

    fn at(&mut self, element: &str, [across, down]: [f64; 2]) -> [f64; 2] {
        let line = format!(
            "(() => {{ const r = document.querySelector('{element}').getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; }})()"
        );
        let found = self.eval(&line);
        let number = |at: usize| found[at].as_f64().unwrap();
        [number(0) + across * number(2), number(1) + down * number(3)]
    }

    /// What the page looks like, as a file beside what the tests build.
    pub fn screenshot(&mut self, name: &str) -> PathBuf {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}.png"));
        fs::write(&path, from_base64(picture["data"].as_str().unwrap())).unwrap();
        path
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0u32, |bits, c| bits << 6 | u32::from(value(*c))) << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
