//! What goes to the GPU with each frame arrives there.

use std::time::Duration;

use wgpu::{BufferUsages, MapMode};

use super::contexts;
use crate::gpu::uploads::{Uploads, WITH_FRAME};

#[test]
#[ignore = "needs a GPU"]
fn bytes_arrive_whatever_their_number_and_the_last_word_ends_with_zeros() {
    for context in contexts() {
        // what a place holds, and what is at hand beyond it
        let (place, all) = (WITH_FRAME as usize + 16, WITH_FRAME as usize + 64);
        let buffer = context.buffer("to", all as u64, BufferUsages::COPY_DST | BufferUsages::COPY_SRC);
        let staging = context.buffer("staging", all as u64, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let mut uploads = Uploads::new(&context.device, 16);
        let mut expected = vec![255; all];
        context.queue.write_buffer(&buffer, 0, &expected);
        // less than a place holds, all of it, more, nothing, and what there was a place for before
        for (turn, count) in [3, place, place + 25, 0, 1, 6, all].into_iter().enumerate() {
            if turn == 4 {
                uploads.make_place(8);
                uploads.make_place(20);
            }
            let bytes: Vec<u8> = (0..count).map(|at| (16 * turn + at % 13 + 1) as u8).collect();
            expected[..count].copy_from_slice(&bytes);
            expected[count..count.next_multiple_of(4)].fill(0);
            let mut encoder = context.encoder();
            uploads.write(&mut encoder, &buffer, &bytes).unwrap();
            encoder.copy_buffer_to_buffer(&buffer, 0, &staging, 0, all as u64);
            uploads.finish();
            let submission = context.queue.submit([encoder.finish()]);
            uploads.recall();
            staging.slice(..).map_async(MapMode::Read, |_| ());
            context.wait(submission, Duration::from_mins(1)).unwrap();
            assert_eq!(*staging.slice(..).get_mapped_range().unwrap(), *expected, "{count}");
            staging.unmap();
        }
    }
}
