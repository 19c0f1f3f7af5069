"""Tells what PyPI's m3u8 reads in playlists: a JSON object of texts by name in, one of facts by name out."""
import json
import sys

import m3u8


def master(read):
    return {
        "version": read.version,
        "variants": [
            [one.uri, info.bandwidth, info.average_bandwidth, info.codecs, list(info.resolution or []), info.frame_rate]
            for one in read.playlists
            for info in [one.stream_info]
        ],
        "sounds": [[one.uri, one.group_id, one.type, one.default == "YES", one.channels] for one in read.media],
        "pictures": [
            [one.uri, one.iframe_stream_info.bandwidth, one.iframe_stream_info.codecs] for one in read.iframe_playlists
        ],
    }


def segment(one):
    return {
        "uri": one.uri,
        "duration": one.duration,
        "discontinuity": one.discontinuity,
        "map": one.init_section.uri if one.init_section else None,
        "gap": bool(one.gap_tag),
        "range": one.byterange,
        "date": round(one.program_date_time.timestamp() * 1000),
        "parts": parts(one),
    }


def parts(one):
    return [[part.uri, part.duration, part.independent == "YES"] for part in one.parts]


def media(read):
    control = read.server_control
    # What is still growing has no name.
    whole = [one for one in read.segments if one.uri]
    growing = [one for one in read.segments if not one.uri]
    return {
        "version": read.version,
        "target": read.target_duration,
        "sequence": read.media_sequence,
        "discontinuities": read.discontinuity_sequence,
        "independent": read.is_independent_segments,
        "ended": read.is_endlist,
        "type": read.playlist_type,
        "pictures": read.is_i_frames_only,
        "part_target": read.part_inf.part_target if read.part_inf else None,
        "control": [control.can_block_reload == "YES", control.can_skip_until, control.part_hold_back] if control else None,
        "skipped": read.skip.skipped_segments if read.skip else 0,
        "segments": [segment(one) for one in whole],
        "growing": [part for one in growing for part in parts(one)],
        "hint": read.preload_hint.uri if read.preload_hint else None,
        "reports": [[one.uri, one.last_msn] for one in read.rendition_reports],
    }


def facts(text):
    read = m3u8.loads(text)
    return master(read) if read.is_variant else media(read)


json.dump({name: facts(text) for name, text in json.load(sys.stdin).items()}, sys.stdout)
