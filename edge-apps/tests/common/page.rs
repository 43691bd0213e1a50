//! `glimpse camera --serve`, started as a person does, and asked as anybody may.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

use super::common::{Place, program};

/// How long anything may take that is waited for: a busy machine's time.
const SOON: Duration = Duration::from_secs(30);

/// A program that serves a page; it is killed when it goes.
pub struct Served {
    pub child: Child,
    /// Address and port.
    pub host: String,
    pub said: Arc<Mutex<String>>,
}

/// What was answered.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }
}

impl Served {
    /// Starts it on a port that is free, with more words.
    pub fn start(place: &Place, words: &[&str]) -> Self {
        let mut child = Command::new(program())
            .current_dir(place.path(""))
            .args(["camera", "--serve", "127.0.0.1:0"])
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let host = loop {
            let line = lines.next().unwrap_or_else(|| panic!("{}", said.lock().unwrap())).unwrap();
            said.lock().unwrap().extend([line.as_str(), "\n"]);
            if let Some((_, rest)) = line.split_once("the page is on http://") {
                break rest.split('/').next().unwrap().to_owned();
            }
        };
        let rest = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                rest.lock().unwrap().extend([line.as_str(), "\n"]);
            }
        });
        Self { child, host, said }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Sends bytes as they are, and reads to the end of what is answered.
    pub fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no head for {request}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }

    /// Asks with these lines in the head beside Host.
    pub fn get_with(&self, path: &str, lines: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{lines}\r\n", self.host))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    pub fn post_with(&self, body: &str, lines: &str) -> Answer {
        let (host, length) = (&self.host, body.len());
        let head =
            format!("POST /settings HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n");
        self.ask(&format!("{head}{lines}\r\n{body}"))
    }

    pub fn post(&self, body: &str) -> Answer {
        self.post_with(body, "Content-Type: application/json\r\n")
    }

    /// A number of `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < SOON, "{what}: {}", self.said.lock().unwrap());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// A viewer, or the status that refuses it.
    pub fn viewer(&self, query: &str, headers: &[(&'static str, &str)]) -> Result<Viewer, u16> {
        let mut request = format!("ws://{}/live{query}", self.host).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tungstenite::client(request, self.connect()) {
            Ok((socket, _)) => Ok(Viewer(socket)),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who looks.
pub struct Viewer(WebSocket<TcpStream>);

impl Viewer {
    /// What is sent next: words, and pictures. None when it is let go.
    pub fn see(&mut self) -> Option<(Value, Vec<Vec<u8>>)> {
        loop {
            match self.0.read() {
                Ok(Message::Binary(message)) => {
                    let words = 4 + u32::from_le_bytes(message[..4].try_into().unwrap()) as usize;
                    let words_of: Value = serde_json::from_slice(&message[4..words]).unwrap();
                    let mut rest = &message[words..];
                    let mut pictures = Vec::new();
                    for length in words_of["lengths"].as_array().unwrap() {
                        let (picture, after) = rest.split_at(length.as_u64().unwrap() as usize);
                        pictures.push(picture.to_vec());
                        rest = after;
                    }
                    return Some((words_of, pictures));
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Says that it has seen one.
    pub fn seen(&mut self) -> bool {
        self.0.send(Message::text("seen")).is_ok()
    }

    /// The next frame.
    pub fn frame(&mut self) -> (Value, Vec<Vec<u8>>) {
        loop {
            let (words, pictures) = self.see().unwrap();
            self.seen();
            if !words["frame"].is_null() {
                return (words, pictures);
            }
        }
    }
}
