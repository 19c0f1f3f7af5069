//! The way from a video node to the chip at the cable, through the device's media graph: pure.

use std::collections::{HashMap, VecDeque};

const MEDIA_PAD_FL_SINK: u32 = 1;
pub(super) const MEDIA_LNK_FL_ENABLED: u32 = 1;
const MEDIA_LNK_FL_IMMUTABLE: u32 = 2;
const MEDIA_LNK_FL_LINK_TYPE: u32 = 0xf << 28;
const MEDIA_LNK_FL_DATA_LINK: u32 = 0;
const MEDIA_LNK_FL_INTERFACE_LINK: u32 = 1 << 28;
const MEDIA_INTF_T_V4L_VIDEO: u32 = 0x200;
const MEDIA_INTF_T_V4L_SUBDEV: u32 = 0x203;

/// A device file's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) major: u32,
    pub(super) minor: u32,
}

/// A media device's parts, by the kernel's ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) interfaces: Vec<Interface>,
    pub(super) pads: Vec<Pad>,
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Interface {
    pub(super) id: u32,
    pub(super) kind: u32,
    pub(super) node: Node,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pad {
    pub(super) id: u32,
    pub(super) entity: u32,
    pub(super) flags: u32,
    pub(super) index: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) source: u32,
    pub(super) sink: u32,
    pub(super) flags: u32,
}

/// From the chip at the cable down to the video node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Takes EDID and timings.
    pub(super) bridge: Node,
    /// Never empty.
    pub(super) hops: Vec<Hop>,
}

/// One link of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) source: End,
    pub(super) sink: End,
    /// It has to be switched on first.
    pub(super) is_off: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) entity: u32,
    pub(super) pad: u32,
    /// The entity's own device file, if it is a subdevice that has one.
    pub(super) subdevice: Option<Node>,
}

impl Graph {
    pub(super) fn has_video(&self, node: Node) -> bool {
        self.interface(MEDIA_INTF_T_V4L_VIDEO, node).is_some()
    }

    fn interface(&self, kind: u32, node: Node) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.kind == kind && interface.node == node)
    }

    /// The way up from a video node, against the stream: links that are on before those that are off, as short as
    /// possible. It ends at what has nothing above it; nothing where that has no device file.
    pub(super) fn route(&self, video: Node) -> Option<Route> {
        let interface = self.interface(MEDIA_INTF_T_V4L_VIDEO, video)?;
        let is_own = |link: &&Link| link.is(MEDIA_LNK_FL_INTERFACE_LINK) && link.source == interface.id;
        let start = self.links.iter().find(is_own)?.sink;
        self.walk(start, true).or_else(|| self.walk(start, false))
    }

    fn walk(&self, start: u32, only_on: bool) -> Option<Route> {
        // Each entity that was reached, with the hop that leads down from it.
        let mut reached: HashMap<u32, Option<Hop>> = HashMap::from([(start, None)]);
        let mut waiting = VecDeque::from([start]);
        while let Some(entity) = waiting.pop_front() {
            let above: Vec<Hop> = self.hops_into(entity, only_on).collect();
            if above.is_empty()
                && entity != start
                && let Some(bridge) = self.subdevice(entity)
            {
                return Some(Route { bridge, hops: way(entity, &reached) });
            }
            for hop in above {
                if let std::collections::hash_map::Entry::Vacant(free) = reached.entry(hop.source.entity) {
                    free.insert(Some(hop));
                    waiting.push_back(hop.source.entity);
                }
            }
        }
        None
    }

    fn hops_into(&self, entity: u32, only_on: bool) -> impl Iterator<Item = Hop> {
        let sinks =
            self.pads.iter().filter(move |pad| pad.entity == entity && pad.flags & MEDIA_PAD_FL_SINK != 0);
        sinks.flat_map(move |sink| {
            let into =
                self.links.iter().filter(move |link| link.is(MEDIA_LNK_FL_DATA_LINK) && link.sink == sink.id);
            into.filter_map(move |link| {
                let source = self.pads.iter().find(|pad| pad.id == link.source)?;
                let is_on = link.flags & (MEDIA_LNK_FL_ENABLED | MEDIA_LNK_FL_IMMUTABLE) != 0;
                let hop = Hop { source: self.end(source), sink: self.end(sink), is_off: !is_on };
                (is_on || !only_on).then_some(hop)
            })
        })
    }

    fn end(&self, pad: &Pad) -> End {
        End { entity: pad.entity, pad: pad.index, subdevice: self.subdevice(pad.entity) }
    }

    fn subdevice(&self, entity: u32) -> Option<Node> {
        let links =
            self.links.iter().filter(|link| link.is(MEDIA_LNK_FL_INTERFACE_LINK) && link.sink == entity);
        let mut interfaces = links.filter_map(|link| {
            self.interfaces
                .iter()
                .find(|known| known.id == link.source && known.kind == MEDIA_INTF_T_V4L_SUBDEV)
        });
        interfaces.next().map(|interface| interface.node)
    }
}

impl Link {
    fn is(&self, kind: u32) -> bool {
        self.flags & MEDIA_LNK_FL_LINK_TYPE == kind
    }
}

/// Down from an entity to where the walk began.
fn way(mut entity: u32, reached: &HashMap<u32, Option<Hop>>) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let Some(Some(hop)) = reached.get(&entity) {
        hops.push(*hop);
        entity = hop.sink.entity;
    }
    hops
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: u32 = 2;
    const OFF: u32 = 0;

    /// Entities by name, made as drivers make them.
    #[derive(Default)]
    struct Build {
        graph: Graph,
        names: Vec<&'static str>,
        next_id: u32,
    }

    impl Build {
        fn entity(mut self, name: &'static str, kind: u32, minor: Option<u32>, pads: &[u32]) -> Self {
            self.names.push(name);
            let entity = self.names.len() as u32;
            for (index, flags) in pads.iter().enumerate() {
                let pad = Pad { id: entity * 100 + index as u32, entity, flags: *flags, index: index as u32 };
                self.graph.pads.push(pad);
            }
            if let Some(minor) = minor {
                self.next_id += 1;
                let id = 10_000 + self.next_id;
                self.graph.interfaces.push(Interface { id, kind, node: node(minor) });
                let flags = MEDIA_LNK_FL_INTERFACE_LINK | MEDIA_LNK_FL_ENABLED | MEDIA_LNK_FL_IMMUTABLE;
                self.graph.links.push(Link { source: id, sink: entity, flags });
            }
            self
        }

        fn id(&self, name: &str) -> u32 {
            self.names.iter().position(|known| *known == name).unwrap() as u32 + 1
        }

        fn link(mut self, (from, source): (&str, u32), (to, sink): (&str, u32), flags: u32) -> Self {
            let (source, sink) = (self.id(from) * 100 + source, self.id(to) * 100 + sink);
            self.graph.links.push(Link { source, sink, flags });
            self
        }
    }

    fn node(minor: u32) -> Node {
        Node { major: 81, minor }
    }

    const VIDEO: u32 = MEDIA_INTF_T_V4L_VIDEO;
    const SUBDEV: u32 = MEDIA_INTF_T_V4L_SUBDEV;
    const SINK: u32 = MEDIA_PAD_FL_SINK;
    const ON: u32 = MEDIA_LNK_FL_ENABLED;

    #[test]
    fn unicam_has_its_bridge_next_to_it() {
        let build = Build::default()
            .entity("tc358743 10-000f", SUBDEV, Some(2), &[SOURCE])
            .entity("unicam-image", VIDEO, Some(0), &[SINK])
            .link(("tc358743 10-000f", 0), ("unicam-image", 0), ON | MEDIA_LNK_FL_IMMUTABLE);
        let route = build.graph.route(node(0)).unwrap();
        assert_eq!((route.bridge, route.hops.len(), route.hops[0].is_off), (node(2), 1, false));
        assert_eq!(route.hops[0].sink.subdevice, None);
        assert!(build.graph.has_video(node(0)) && !build.graph.has_video(node(2)));
    }

    /// A Raspberry Pi 5 as it starts: nothing leads from the receiver to the video nodes yet.
    fn pi5(to_video: u32) -> Build {
        Build::default()
            .entity("csi2", SUBDEV, Some(10), &[SINK, SINK, SINK, SINK, SOURCE, SOURCE, SOURCE, SOURCE])
            .entity("pisp-fe", SUBDEV, Some(11), &[SINK, SINK, SOURCE, SOURCE, SOURCE])
            .entity("rp1-cfe-csi2_ch0", VIDEO, Some(0), &[SINK])
            .entity("rp1-cfe-csi2_ch1", VIDEO, Some(1), &[SINK])
            .entity("rp1-cfe-fe_image0", VIDEO, Some(4), &[SINK])
            .entity("rp1-cfe-fe_config", VIDEO, Some(7), &[SOURCE])
            .entity("tc358743 11-000f", SUBDEV, Some(12), &[SOURCE])
            .link(("tc358743 11-000f", 0), ("csi2", 0), ON | MEDIA_LNK_FL_IMMUTABLE)
            .link(("csi2", 4), ("rp1-cfe-csi2_ch0", 0), to_video)
            .link(("csi2", 4), ("pisp-fe", 0), OFF)
            .link(("csi2", 5), ("rp1-cfe-csi2_ch1", 0), OFF)
            .link(("rp1-cfe-fe_config", 0), ("pisp-fe", 1), OFF)
            .link(("pisp-fe", 2), ("rp1-cfe-fe_image0", 0), OFF)
    }

    #[test]
    fn the_receiver_of_a_raspberry_pi_5_lies_between() {
        for (flags, is_off) in [(OFF, true), (ON, false)] {
            let build = pi5(flags);
            let route = build.graph.route(node(0)).unwrap();
            assert_eq!((route.bridge, route.hops.len()), (node(12), 2));
            let (first, second) = (route.hops[0], route.hops[1]);
            assert_eq!((first.source.subdevice, first.source.pad), (Some(node(12)), 0));
            assert_eq!((first.sink.subdevice, first.sink.pad, first.is_off), (Some(node(10)), 0, false));
            assert_eq!((second.source.subdevice, second.source.pad), (Some(node(10)), 4));
            assert_eq!((second.sink.entity, second.is_off), (build.id("rp1-cfe-csi2_ch0"), is_off));
        }
        // The one that has only a video node above it is not taken for a bridge.
        assert_eq!(pi5(OFF).graph.route(node(4)).unwrap().bridge, node(12));
    }

    #[test]
    fn what_has_no_bridge_is_its_own() {
        let grabber = Build::default()
            .entity("USB Video", VIDEO, Some(0), &[SINK])
            .entity("Processing 2", SUBDEV, None, &[SINK, SOURCE])
            .entity("Camera 1", SUBDEV, None, &[SOURCE])
            .link(("Camera 1", 0), ("Processing 2", 0), ON | MEDIA_LNK_FL_IMMUTABLE)
            .link(("Processing 2", 1), ("USB Video", 0), ON | MEDIA_LNK_FL_IMMUTABLE);
        assert_eq!(grabber.graph.route(node(0)), None);
        assert_eq!(grabber.graph.route(node(9)), None, "another device");
        assert_eq!(Graph::default().route(node(0)), None);
    }

    #[test]
    fn a_ring_ends() {
        let ring = Build::default()
            .entity("one", SUBDEV, Some(1), &[SINK, SOURCE])
            .entity("two", SUBDEV, Some(2), &[SINK, SOURCE])
            .entity("video", VIDEO, Some(0), &[SINK])
            .link(("one", 1), ("two", 0), ON)
            .link(("two", 1), ("one", 0), ON)
            .link(("two", 1), ("video", 0), ON);
        assert_eq!(ring.graph.route(node(0)), None);
    }
}
