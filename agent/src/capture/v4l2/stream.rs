//! The pipeline from a capture device to pictures in the box's format, started anew for each signal.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::super::{CaptureError, PictureFormat, element};
use super::shared::{Incoming, Shared};
use super::watch::Lock;

const GOOD: &str = "gstreamer1.0-plugins-good";
const BASE: &str = "gstreamer1.0-plugins-base";

/// Makes the elements that give the pictures, linked in this order.
pub(super) type Head =
    Box<dyn Fn(&Lock, Option<&'static str>) -> Result<Vec<gst::Element>, CaptureError> + Send>;

/// Capture that runs until it is dropped.
pub(super) struct Stream {
    pipeline: gst::Pipeline,
}

impl Stream {
    /// Starts capture.
    ///
    /// # Errors
    /// In words.
    pub(super) fn start(
        head: &[gst::Element],
        format: PictureFormat,
        shared: &Arc<Shared>,
    ) -> Result<Self, String> {
        let stream = Self { pipeline: gst::Pipeline::new() };
        stream.build(head, format, shared).map_err(|error| error.to_string())?;
        if stream.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(stream.failure().unwrap_or_else(|| "it does not start".to_owned()));
        }
        Ok(stream)
    }

    fn build(
        &self,
        head: &[gst::Element],
        format: PictureFormat,
        shared: &Arc<Shared>,
    ) -> Result<(), CaptureError> {
        let decode = element("decodebin", BASE)?;
        let fields = gst::ElementFactory::make("deinterlace").property_from_str("mode", "auto");
        let fields =
            fields.build().map_err(|_| CaptureError::Missing { element: "deinterlace", package: GOOD })?;
        let convert = element("videoconvert", BASE)?;
        let scale = element("videoscale", BASE)?;
        // Another shape of picture gets black bars, instead of being stretched.
        scale.set_property("add-borders", true);
        let sink = self.sink(format, shared);
        self.pipeline.add_many(head)?;
        self.pipeline.add_many([&decode, &fields, &convert, &scale, sink.upcast_ref()])?;
        gst::Element::link_many(head)?;
        if let Some(last) = head.last() {
            last.link(&decode)?;
        }
        gst::Element::link_many([&fields, &convert, &scale, sink.upcast_ref()])?;
        let shared = shared.clone();
        decode.connect_pad_added(move |_, pad| {
            let Some(sink) = fields.static_pad("sink").filter(|sink| !sink.is_linked()) else { return };
            if let Some(incoming) = pad.current_caps().as_deref().and_then(incoming) {
                shared.set_incoming(incoming);
            }
            // If it does not fit, the pipeline says so on its bus.
            let _ = pad.link(&sink);
        });
        Ok(())
    }

    fn sink(&self, format: PictureFormat, shared: &Arc<Shared>) -> gst_app::AppSink {
        let mut caps = format.caps();
        if let Some(structure) = caps.make_mut().structure_mut(0) {
            // The box's own beat takes what is there; the device keeps its rate.
            structure.remove_field("framerate");
        }
        let shared = shared.clone();
        let callbacks = gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Some(picture) = sample.buffer_owned() {
                    shared.put_picture(picture);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        gst_app::AppSink::builder()
            .caps(&caps)
            .sync(false)
            .max_buffers(2)
            .drop(true)
            .enable_last_sample(false)
            .callbacks(callbacks)
            .build()
    }

    /// Why it does not run any more, if so.
    pub(super) fn failure(&self) -> Option<String> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos])?;
        Some(match message.view() {
            gst::MessageView::Error(error) => error.error().to_string(),
            _ => "it has stopped".to_owned(),
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A device that is gone need not stop well.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Size and rate of what comes in.
fn incoming(caps: &gst::CapsRef) -> Option<Incoming> {
    let structure = caps.structure(0)?;
    let side = |name| structure.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok());
    let rate = structure.get::<gst::Fraction>("framerate").ok();
    let fps =
        rate.filter(|rate| rate.denom() > 0).map_or(0.0, |rate| rate.numer() as f32 / rate.denom() as f32);
    Some(Incoming { width: side("width")?, height: side("height")?, fps })
}

/// The device itself; with timings, at just their size.
pub(super) fn device(path: &std::path::Path) -> Head {
    let path = path.to_string_lossy().into_owned();
    Box::new(move |lock, raw_format| {
        let source = element("v4l2src", GOOD)?;
        source.set_property("device", &path);
        let Lock::Timings(timings) = lock else { return Ok(vec![source]) };
        let (across, down) = timings.pixel_aspect();
        if (across, down) != (1, 1) {
            source.set_property("pixel-aspect-ratio", format!("{across}/{down}"));
        }
        let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
        let caps = gst_video::VideoCapsBuilder::new()
            .width(side(timings.width()))
            .height(side(timings.height()))
            .format_if_some(raw_format.and_then(|name| name.parse::<gst_video::VideoFormat>().ok()))
            .build();
        let filter = element("capsfilter", "gstreamer1.0-plugins-base")?;
        filter.set_property("caps", &caps);
        Ok(vec![source, filter])
    })
}
