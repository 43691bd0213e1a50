//! The page of `glimpse camera --serve` in a browser, as a person uses it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]
#![cfg(feature = "serve")]

#[path = "common/chromium.rs"]
mod chromium;
mod common;
#[path = "common/page.rs"]
mod page;

use chromium::{Chromium, Tab};
use common::Place;
use page::Served;

/// A sum over a canvas: another one for another picture.
const SUM: &str = "const sum = (id) => { const c = document.getElementById(id); const d = c.getContext('2d').getImageData(0, 0, \
                   c.width, c.height).data; let s = 0; for (let i = 0; i < d.length; i++) s = (s * 31 + d[i]) % 1000003; return s; };";
/// The share of a canvas that is dark.
const DARK: &str = "const dark = (id) => { const c = document.getElementById(id); const d = c.getContext('2d').getImageData(0, 0, \
                    c.width, c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i] < 45 && d[i + 1] < 45 && \
                    d[i + 2] < 50; return 4 * n / d.length; };";

fn opened(chromium: &Chromium, served: &Served) -> Tab {
    let mut tab = chromium.open(&format!("http://{}/", served.host));
    tab.until("document.querySelector('#state')?.className === 'state good'");
    tab.eval(&format!(
        "globalThis.sums = () => {{ {SUM} return ['camera', 'seen', 'painted', 'features'].map(sum); }}; 0"
    ));
    tab.eval(&format!("globalThis.dark = (id) => {{ {DARK} return dark(id); }}; 0"));
    tab
}

#[test]
#[ignore = "needs chromium"]
fn chromium_shows_what_moves_and_what_is_changed() {
    let place = Place::new();
    let served = Served::start(&place, &["--source", "test:", "--source", "test:3", "--visible", "motion:24"]);
    let chromium = Chromium::start();
    let mut tab = opened(&chromium, &served);
    tab.size(1280, 860, false);
    // the pictures move
    let before = tab.eval("sums()");
    tab.until(&format!("sums().every((sum, at) => sum !== {before}[at])"));
    tab.screenshot("desktop");

    // the slider changes what is seen
    tab.eval("{ const b = document.getElementById('budget'); b.value = 8; b.dispatchEvent(new Event('input')); } 0");
    tab.until("document.querySelector('#seen-count').textContent === '8 of 64'");
    tab.until("dark('seen') > 0.8 && dark('seen') < 0.9");
    tab.screenshot("budget");
    tab.eval("document.querySelector('input[value=all]').click(); 0");
    tab.until("document.querySelector('#seen-count').textContent === '64 of 64'");
    tab.until("document.querySelector('#budget').disabled");

    // a box that is drawn is painted out
    assert!(tab.eval("dark('seen')").as_f64().unwrap() < 0.1);
    tab.drag("#boxes", [0.27, 0.27], [0.6, 0.7]);
    tab.until("document.querySelectorAll('.box').length === 1");
    tab.until("dark('seen') > 0.15 && dark('features') > 0.15");
    tab.until("document.querySelector('#seen-count').textContent !== '64 of 64'");
    tab.screenshot("box");

    // another viewer comes, sees the box, and leaves
    let mut other = opened(&chromium, &served);
    other.until("document.querySelectorAll('.box').length === 1");
    other.until("document.querySelector('#viewers').textContent === '2'");
    other.scheme("dark");
    other.size(1280, 860, false);
    other.screenshot("dark");
    other.eval("document.querySelector('.box button').click(); 0");
    other.until("document.querySelectorAll('.box').length === 0");
    other.call("Page.navigate", serde_json::json!({ "url": "about:blank" }));
    served.until("the other has left", |served| served.metric("glimpse_viewers") <= 1.0);
    // the first one sees that
    tab.until("document.querySelectorAll('.box').length === 0");
    tab.until("document.querySelector('#viewers').textContent === '1'");

    // another source
    tab.eval("{ const s = document.getElementById('source'); s.value = '1'; s.dispatchEvent(new Event('change')); } 0");
    tab.until("newest.source === 1 && newest.frame !== null");
    assert_eq!(tab.faults, Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium"]
fn chromium_of_a_phone_s_size_can_be_read_and_touched() {
    let place = Place::new();
    let served = Served::start(&place, &["--source", "test:2", "--visible", "0.5", "--never", "500,0,140,100"]);
    let chromium = Chromium::start();
    let mut tab = opened(&chromium, &served);
    tab.size(390, 844, true);
    tab.until("innerWidth === 390");
    // nothing is wider than the window
    tab.until("document.documentElement.scrollWidth <= 390");
    assert!(tab.eval("document.querySelector('#camera').getBoundingClientRect().width").as_f64().unwrap() > 340.0);
    let small = "[...document.querySelectorAll('p, dt, dd, figcaption, label, button')].filter((e) => e.offsetParent && \
                 parseFloat(getComputedStyle(e).fontSize) < 14).length";
    assert_eq!(tab.eval(small), 0);
    tab.screenshot("phone");
    // a finger scrolls, until it is to draw
    tab.swipe("#boxes", [0.2, 0.3], [0.6, 0.8]);
    assert_eq!(tab.eval("document.querySelectorAll('.box:not(.fixed)').length"), 0);
    tab.eval("document.getElementById('draw').click(); 0");
    tab.swipe("#boxes", [0.2, 0.3], [0.6, 0.8]);
    tab.until("document.querySelectorAll('.box:not(.fixed)').length === 1 && document.querySelectorAll('.box.fixed').length === 1");
    tab.scheme("dark");
    tab.screenshot("phone-dark");
    tab.eval("document.getElementById('clear').click(); 0");
    tab.until("document.querySelectorAll('.box:not(.fixed)').length === 0");
    assert_eq!(tab.faults, Vec::<String>::new());
}
