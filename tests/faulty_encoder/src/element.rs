//! The element: a bin around `x264enc`, with a watch on what goes in.

use std::sync::atomic::{AtomicU64, Ordering};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gstreamer as gst;
use nix::sys::signal::{Signal, raise};

const NAME: &str = "vah264enc";
/// What encodes.
const INSIDE: &str = "inside";

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), NAME, gst::Rank::PRIMARY, FaultyEncoder::static_type())
}

glib::wrapper! {
    pub(crate) struct FaultyEncoder(ObjectSubclass<imp::FaultyEncoder>)
        @extends gst::Bin, gst::Element, gst::Object;
}

/// What befalls it, and after how many pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Ends,
    Hangs,
    Crashes,
}

fn told() -> Option<(Fault, u64)> {
    let text = std::fs::read_to_string(std::env::var_os("FAULTY_ENCODER")?).ok()?;
    let (fault, after) = text.trim().split_once(' ')?;
    let fault = match fault {
        "ends" => Fault::Ends,
        "hangs" => Fault::Hangs,
        "crashes" => Fault::Crashes,
        _ => return None,
    };
    Some((fault, after.parse().ok()?))
}

mod imp {
    use std::sync::LazyLock;

    use super::*;

    #[derive(Debug, Default)]
    pub(crate) struct FaultyEncoder;

    #[glib::object_subclass]
    impl ObjectSubclass for FaultyEncoder {
        const NAME: &'static str = "StageboxFaultyEncoder";
        type Type = super::FaultyEncoder;
        type ParentType = gst::Bin;

        fn with_class(_: &Self::Class) -> Self {
            Self
        }
    }

    impl ObjectImpl for FaultyEncoder {
        /// Those that the real one is given.
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                let number = |name: &str| glib::ParamSpecUInt::builder(name).build();
                vec![
                    number("bitrate"),
                    number("key-int-max"),
                    number("b-frames"),
                    glib::ParamSpecString::builder("rate-control").build(),
                ]
            });
            &PROPERTIES
        }

        fn set_property(&self, _: usize, value: &glib::Value, spec: &glib::ParamSpec) {
            // The software inside has no other rate control, and makes no B-frames when it is tuned for no delay.
            if let ("bitrate" | "key-int-max", Some(encode)) = (spec.name(), self.obj().by_name(INSIDE)) {
                encode.set_property_from_value(spec.name(), value);
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            let whole = self.obj();
            let Ok(encode) = gst::ElementFactory::make("x264enc")
                .property_from_str("tune", "zerolatency")
                .property_from_str("speed-preset", "ultrafast")
                .name(INSIDE)
                .build()
            else {
                return;
            };
            if whole.add(&encode).is_err() {
                return;
            }
            let ghost = |name: &str| {
                let pad = encode.static_pad(name)?;
                let template = whole.pad_template(name)?;
                let ghost = gst::GhostPad::builder_from_template_with_target(&template, &pad)
                    .ok()?
                    .name(name)
                    .build();
                whole.add_pad(&ghost).ok()?;
                Some(pad)
            };
            let (Some(input), Some(_)) = (ghost("sink"), ghost("src")) else { return };
            watch(&input, whole.upcast_ref());
        }
    }

    impl GstObjectImpl for FaultyEncoder {}

    impl ElementImpl for FaultyEncoder {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "H.264 encoder that fails",
                    "Codec/Encoder/Video/Hardware",
                    "Fails when it is told to",
                    env!("CARGO_PKG_NAME"),
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let raw = gst::Caps::builder("video/x-raw").field("format", "NV12").build();
                let h264 = gst::Caps::builder("video/x-h264").build();
                [("sink", gst::PadDirection::Sink, raw), ("src", gst::PadDirection::Src, h264)]
                    .into_iter()
                    .filter_map(|(name, direction, caps)| {
                        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                    })
                    .collect()
            });
            TEMPLATES.as_ref()
        }
    }

    impl BinImpl for FaultyEncoder {}
}

/// Counts pictures, and does what was told when it is time.
fn watch(input: &gst::Pad, whole: &gst::Element) {
    let fault = told();
    let (seen, whole) = (AtomicU64::new(0), whole.downgrade());
    input.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let seen = seen.fetch_add(1, Ordering::Relaxed);
        match fault {
            Some((fault, after)) if seen >= after => match fault {
                Fault::Hangs => gst::PadProbeReturn::Drop,
                Fault::Crashes => {
                    // The process ends here.
                    let _ = raise(Signal::SIGSEGV);
                    gst::PadProbeReturn::Ok
                }
                Fault::Ends => {
                    if let Some(whole) = whole.upgrade() {
                        gst::element_error!(whole, gst::ResourceError::Failed, ["the device was reset"]);
                    }
                    gst::PadProbeReturn::Drop
                }
            },
            _ => gst::PadProbeReturn::Ok,
        }
    });
}
