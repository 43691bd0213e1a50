//! Dispatches one after another.

use std::num::NonZeroU64;
use std::ops::Range;

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferUsages,
    CommandEncoder, ComputePass, ComputePipeline,
};

use super::GpuError;
use super::context::Context;
use super::jobs::Job;
use super::kernels::Kernel;
use super::uploads::Uploads;

/// Bytes between the parameters of one dispatch and of the next, as every GPU allows them.
const PARAMS_STRIDE: u64 = 256;

/// Dispatches in their order, with their parameters.
#[derive(Debug)]
pub(super) struct Sequence {
    dispatches: Vec<Dispatch>,
    params: Buffer,
    /// The number of visible patches that the parameters are for.
    visible: Option<usize>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Dispatch {
    pipeline: ComputePipeline,
    group: BindGroup,
    job: Job,
}

impl Sequence {
    /// Dispatches over buffers, which are in the order of their kernels' bindings.
    ///
    /// # Errors
    /// When the driver refuses a kernel.
    pub(super) fn new(context: &Context, jobs: &[(Job, Vec<&Buffer>)]) -> Result<Self, GpuError> {
        let kernels: Vec<Kernel> = jobs.iter().map(|(job, _)| job.kernel()).collect();
        let pipelines = context.pipelines(&kernels)?;
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let all_params = context.buffer("params", jobs.len() as u64 * PARAMS_STRIDE, usage);
        let dispatch = |(at, ((job, buffers), pipeline)): (usize, (&(Job, Vec<&Buffer>), ComputePipeline))| {
            let (offset, size) = (at as u64 * PARAMS_STRIDE, NonZeroU64::new(job.params(0).len() as u64));
            let params = BindingResource::Buffer(BufferBinding { buffer: &all_params, offset, size });
            let storage = buffers.iter().map(|buffer| buffer.as_entire_binding());
            let entries: Vec<BindGroupEntry> = std::iter::once(params)
                .chain(storage)
                .enumerate()
                .map(|(binding, resource)| BindGroupEntry { binding: binding as u32, resource })
                .collect();
            let group = context.device.create_bind_group(&BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            Dispatch { pipeline, group, job: *job }
        };
        let dispatches = jobs.iter().zip(pipelines).enumerate().map(dispatch).collect();
        Ok(Self { dispatches, params: all_params, visible: None, bytes: Vec::new() })
    }

    pub(super) fn len(&self) -> usize {
        self.dispatches.len()
    }

    /// The work of each dispatch.
    pub(super) fn jobs(&self) -> impl Iterator<Item = Job> {
        self.dispatches.iter().map(|dispatch| dispatch.job)
    }

    /// Says how many patches are visible, in what is recorded from here on.
    ///
    /// # Errors
    /// When the GPU is lost.
    pub(super) fn set_visible(
        &mut self,
        (uploads, encoder): (&mut Uploads, &mut CommandEncoder),
        visible: usize,
    ) -> Result<(), GpuError> {
        if self.visible != Some(visible) {
            self.make_params(visible);
            uploads.write(encoder, &self.params, &self.bytes)?;
        }
        Ok(())
    }

    /// Says it for what is submitted from here on.
    pub(super) fn set_visible_at_once(&mut self, context: &Context, visible: usize) {
        self.make_params(visible);
        context.queue.write_buffer(&self.params, 0, &self.bytes);
    }

    fn make_params(&mut self, visible: usize) {
        self.visible = Some(visible);
        self.bytes.clear();
        self.bytes.resize(self.dispatches.len() * PARAMS_STRIDE as usize, 0);
        for (dispatch, place) in self.dispatches.iter().zip(self.bytes.chunks_exact_mut(PARAMS_STRIDE as usize)) {
            let params = dispatch.job.params(visible);
            place[..params.len()].copy_from_slice(&params);
        }
    }

    /// Records some of the dispatches.
    pub(super) fn record(&self, pass: &mut ComputePass, range: Range<usize>) {
        let visible = self.visible.unwrap_or_default();
        let mut set = None;
        for dispatch in &self.dispatches[range] {
            let [x, y, z] = dispatch.job.groups(visible);
            if set.replace(&dispatch.pipeline) != Some(&dispatch.pipeline) {
                pass.set_pipeline(&dispatch.pipeline);
            }
            pass.set_bind_group(0, &dispatch.group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }
}
