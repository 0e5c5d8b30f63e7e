#!/usr/bin/env python3
"""Writes scalars.tfevents by protobuf's own runtime, with messages as TensorBoard's event.proto and summary.proto declare
them, and a bit-by-bit CRC-32C: what EventWriter has to write, byte for byte, with the clock of event_file_test.cpp."""
import pathlib
import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name="events.proto", package="events", syntax="proto3")


def message(name, *fields):
    declared = file.message_type.add(name=name)
    for field, number, kind, *repeated in fields:
        added = declared.field.add(name=field, number=number, label=3 if repeated else 1)
        if kind[0].isupper():
            added.type, added.type_name = FIELD.TYPE_MESSAGE, ".events." + kind
        else:
            added.type = getattr(FIELD, "TYPE_" + kind.upper())


message("SessionLog", ("status", 1, "int32"))
message("Histogram", ("min", 1, "double"), ("max", 2, "double"), ("num", 3, "double"), ("sum", 4, "double"),
        ("sum_squares", 5, "double"), ("bucket_limit", 6, "double", True), ("bucket", 7, "double", True))
message("Value", ("tag", 1, "string"), ("simple_value", 2, "float"), ("histo", 5, "Histogram"))
message("Summary", ("value", 1, "Value", True))
message("Event", ("wall_time", 1, "double"), ("step", 2, "int64"), ("file_version", 3, "string"),
        ("summary", 5, "Summary"), ("session_log", 7, "SessionLog"))
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Event = message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("events.Event"))


def masked(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(event):
    body = event.SerializeToString()
    length = struct.pack("<Q", len(body))
    return length + struct.pack("<I", masked(length)) + body + struct.pack("<I", masked(body))


def main():
    clock = iter(range(1000, 2000))
    now = lambda: next(clock) + 0.25
    next(clock)  # the file's name takes one
    events = [Event(wall_time=now(), file_version="brain.Event:2")]
    event = Event(wall_time=now(), step=20)
    event.summary.value.add(tag="loss/train", simple_value=2.25)
    event.summary.value.add(tag="rate", simple_value=0.05)
    events.append(event)
    # 128 values 0, 1/64, 2/64, ...: two in each of 64 buckets but the last, which takes the greatest too.
    values = [i / 64 for i in range(128)]
    histogram = Event(wall_time=now(), step=1 << 40)
    width = (values[-1] - values[0]) / 64
    counts = [0] * 64
    for value in values:
        counts[min(63, int((value - values[0]) / width))] += 1
    limits = [values[0] + width * (i + 1) for i in range(63)] + [values[-1]]
    # min is 0 and protobuf's proto3 leaves zeros out, so it is shifted by one.
    shifted = [v + 1 for v in values]
    histo = histogram.summary.value.add(tag="weights").histo
    histo.min, histo.max, histo.num = shifted[0], shifted[-1], 128
    histo.sum, histo.sum_squares = sum(shifted), sum(v * v for v in shifted)
    histo.bucket_limit.extend(v + 1 for v in limits)
    histo.bucket.extend(counts)
    events.append(histogram)
    session = Event(wall_time=now(), step=(1 << 40) + 1)
    session.session_log.status = 1
    events.append(session)
    path = pathlib.Path(__file__).with_name("scalars.tfevents")
    path.write_bytes(b"".join(framed(e) for e in events))
    print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
