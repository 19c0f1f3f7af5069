use std::mem::offset_of;

use super::*;

/// The numbers that gcc gives for the kernel's headers on a 64-bit machine.
#[test]
fn requests_have_the_kernels_numbers() {
    for (name, number, expected) in [
        ("VIDIOC_QUERYCAP", QUERYCAP.number, 0x8068_5600_u32),
        ("VIDIOC_ENUMINPUT", ENUMINPUT.number, 0xc050_561a),
        ("VIDIOC_G_CTRL", G_CTRL.number, 0xc008_561b),
        ("VIDIOC_QUERYCTRL", QUERYCTRL.number, 0xc044_5624),
        ("VIDIOC_G_INPUT", G_INPUT.number, 0x8004_5626),
        ("VIDIOC_G_EDID", G_EDID.number, 0xc028_5628),
        ("VIDIOC_S_EDID", S_EDID.number, 0xc028_5629),
        ("VIDIOC_S_DV_TIMINGS", S_DV_TIMINGS.number, 0xc084_5657),
        ("VIDIOC_G_DV_TIMINGS", G_DV_TIMINGS.number, 0xc084_5658),
        ("VIDIOC_DQEVENT", DQEVENT.number, 0x8088_5659),
        ("VIDIOC_SUBSCRIBE_EVENT", SUBSCRIBE_EVENT.number, 0x4020_565a),
        ("VIDIOC_QUERY_DV_TIMINGS", QUERY_DV_TIMINGS.number, 0x8084_5663),
        ("VIDIOC_DV_TIMINGS_CAP", DV_TIMINGS_CAP.number, 0xc090_5664),
        ("VIDIOC_SUBDEV_G_FMT", SUBDEV_G_FMT.number, 0xc058_5604),
        ("VIDIOC_SUBDEV_S_FMT", SUBDEV_S_FMT.number, 0xc058_5605),
        ("MEDIA_IOC_DEVICE_INFO", MEDIA_DEVICE_INFO.number, 0xc100_7c00),
        ("MEDIA_IOC_SETUP_LINK", MEDIA_SETUP_LINK.number, 0xc034_7c03),
        ("MEDIA_IOC_G_TOPOLOGY", MEDIA_G_TOPOLOGY.number, 0xc048_7c04),
    ] {
        assert_eq!(number, u64::from(expected), "{name}");
    }
}

#[test]
fn structures_have_the_kernels_sizes() {
    for (name, size, expected) in [
        ("v4l2_capability", size_of::<Capability>(), 104),
        ("v4l2_bt_timings", size_of::<BtTimings>(), 124),
        ("v4l2_dv_timings", size_of::<DvTimings>(), 132),
        ("v4l2_dv_timings_cap", size_of::<DvTimingsCap>(), 144),
        ("v4l2_edid", size_of::<RawEdid>(), 40),
        ("v4l2_event", size_of::<Event>(), 136),
        ("v4l2_event_subscription", size_of::<Subscription>(), 32),
        ("v4l2_input", size_of::<Input>(), 80),
        ("v4l2_control", size_of::<Control>(), 8),
        ("v4l2_queryctrl", size_of::<QueryControl>(), 68),
        ("v4l2_subdev_format", size_of::<SubdevFormat>(), 88),
        ("media_device_info", size_of::<MediaDeviceInfo>(), 256),
        ("media_v2_topology", size_of::<RawTopology>(), 72),
        ("media_v2_entity", size_of::<MediaEntity>(), 96),
        ("media_v2_interface", size_of::<MediaInterface>(), 112),
        ("media_v2_pad", size_of::<MediaPad>(), 32),
        ("media_v2_link", size_of::<MediaLink>(), 40),
        ("media_pad_desc", size_of::<PadDescription>(), 20),
        ("media_link_desc", size_of::<LinkDescription>(), 52),
    ] {
        assert_eq!(size, expected, "{name}");
    }
}

#[test]
fn fields_lie_where_the_kernel_has_them() {
    for (name, offset, expected) in [
        ("v4l2_capability.card", offset_of!(Capability, card), 16),
        ("v4l2_capability.bus_info", offset_of!(Capability, bus_info), 48),
        ("v4l2_capability.version", offset_of!(Capability, version), 80),
        ("v4l2_capability.capabilities", offset_of!(Capability, capabilities), 84),
        ("v4l2_capability.device_caps", offset_of!(Capability, device_caps), 88),
        ("v4l2_bt_timings.pixelclock", offset_of!(BtTimings, pixelclock), 16),
        ("v4l2_bt_timings.hfrontporch", offset_of!(BtTimings, across), 24),
        ("v4l2_bt_timings.il_vbackporch", offset_of!(BtTimings, second) + 8, 56),
        ("v4l2_bt_timings.standards", offset_of!(BtTimings, standards), 60),
        ("v4l2_bt_timings.flags", offset_of!(BtTimings, flags), 64),
        ("v4l2_bt_timings.picture_aspect", offset_of!(BtTimings, picture_aspect), 68),
        ("v4l2_bt_timings.cea861_vic", offset_of!(BtTimings, cea861_vic), 76),
        ("v4l2_bt_timings.reserved", offset_of!(BtTimings, reserved), 78),
        ("v4l2_dv_timings.bt", offset_of!(DvTimings, bt), 4),
        ("v4l2_dv_timings_cap.bt", offset_of!(DvTimingsCap, width), 16),
        ("v4l2_bt_timings_cap.min_height", offset_of!(DvTimingsCap, height), 16 + 8),
        ("v4l2_bt_timings_cap.min_pixelclock", offset_of!(DvTimingsCap, min_pixelclock), 16 + 16),
        ("v4l2_bt_timings_cap.max_pixelclock", offset_of!(DvTimingsCap, max_pixelclock), 16 + 24),
        ("v4l2_bt_timings_cap.standards", offset_of!(DvTimingsCap, standards), 16 + 32),
        ("v4l2_bt_timings_cap.capabilities", offset_of!(DvTimingsCap, capabilities), 16 + 36),
        ("v4l2_edid.blocks", offset_of!(RawEdid, blocks), 8),
        ("v4l2_edid.edid", offset_of!(RawEdid, edid), 32),
        ("v4l2_event.u", offset_of!(Event, data), 8),
        ("v4l2_event.pending", offset_of!(Event, pending), 72),
        ("v4l2_event.sequence", offset_of!(Event, sequence), 76),
        ("v4l2_event.timestamp", offset_of!(Event, timestamp), 80),
        ("v4l2_event.id", offset_of!(Event, id), 96),
        ("v4l2_event_subscription.id", offset_of!(Subscription, id), 4),
        ("v4l2_event_subscription.flags", offset_of!(Subscription, flags), 8),
        ("v4l2_input.name", offset_of!(Input, name), 4),
        ("v4l2_input.std", offset_of!(Input, std), 48),
        ("v4l2_input.status", offset_of!(Input, status), 56),
        ("v4l2_input.capabilities", offset_of!(Input, capabilities), 60),
        ("v4l2_queryctrl.name", offset_of!(QueryControl, name), 8),
        ("v4l2_queryctrl.minimum", offset_of!(QueryControl, minimum), 40),
        ("v4l2_queryctrl.flags", offset_of!(QueryControl, flags), 56),
        ("v4l2_subdev_format.pad", offset_of!(SubdevFormat, pad), 4),
        ("v4l2_subdev_format.format", offset_of!(SubdevFormat, width), 8),
        ("v4l2_mbus_framefmt.code", offset_of!(SubdevFormat, code), 8 + 8),
        ("v4l2_mbus_framefmt.field", offset_of!(SubdevFormat, field), 8 + 12),
        ("v4l2_subdev_format.stream", offset_of!(SubdevFormat, stream), 8 + 48),
        ("media_device_info.model", offset_of!(MediaDeviceInfo, model), 16),
        ("media_device_info.bus_info", offset_of!(MediaDeviceInfo, bus_info), 88),
        ("media_v2_topology.num_entities", offset_of!(RawTopology, entities.number), 8),
        ("media_v2_topology.ptr_entities", offset_of!(RawTopology, entities.address), 16),
        ("media_v2_topology.num_interfaces", offset_of!(RawTopology, interfaces.number), 24),
        ("media_v2_topology.ptr_interfaces", offset_of!(RawTopology, interfaces.address), 32),
        ("media_v2_topology.num_pads", offset_of!(RawTopology, pads.number), 40),
        ("media_v2_topology.ptr_pads", offset_of!(RawTopology, pads.address), 48),
        ("media_v2_topology.num_links", offset_of!(RawTopology, links.number), 56),
        ("media_v2_topology.ptr_links", offset_of!(RawTopology, links.address), 64),
        ("media_v2_entity.function", offset_of!(MediaEntity, function), 68),
        ("media_v2_interface.intf_type", offset_of!(MediaInterface, kind), 4),
        ("media_v2_interface.devnode", offset_of!(MediaInterface, major), 48),
        ("media_v2_pad.flags", offset_of!(MediaPad, flags), 8),
        ("media_v2_pad.index", offset_of!(MediaPad, index), 12),
        ("media_v2_link.flags", offset_of!(MediaLink, flags), 12),
        ("media_pad_desc.index", offset_of!(PadDescription, index), 4),
        ("media_pad_desc.flags", offset_of!(PadDescription, flags), 8),
        ("media_link_desc.sink", offset_of!(LinkDescription, sink), 20),
        ("media_link_desc.flags", offset_of!(LinkDescription, flags), 40),
    ] {
        assert_eq!(offset, expected, "{name}");
    }
}

#[test]
fn what_is_no_video_device_says_so() {
    let file = tempfile::tempfile().unwrap();
    assert_eq!(call(&file, &QUERYCAP, &mut Capability::default()), Err(Errno::ENOTTY));
    assert_eq!(edid(&file), Err(Errno::ENOTTY));
    assert_eq!(set_edid(&file, &[0; 256]), Err(Errno::ENOTTY));
    assert_eq!(topology(&file).map(drop), Err(Errno::ENOTTY));
}
