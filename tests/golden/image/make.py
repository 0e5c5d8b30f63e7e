#!/usr/bin/env python3
"""Makes the golden data of tests/image: small pictures in every format, and what PIL makes of them.

Made with Pillow 9.4 and numpy 1.24 (Debian 12). Run in this folder: python3 make.py

  files/        the inputs
  decode.txt    one line a file: name width height channels depth offset; offset into decode.bin
  decode.bin    the expected samples, [y][x][channel], 16-bit ones little-endian; orientation applied
  resize.txt    one line a case: name filter width height kind offset; offset into resize.bin
  resize.bin    the expected samples after resizing; kind u8, or f32 (little-endian) for float planes
"""
import io
import os
import shutil
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = os.path.join(HERE, "files")
random = np.random.RandomState(7)
decode_lines, resize_lines = [], []
decode_bin, resize_bin = io.BytesIO(), io.BytesIO()


def picture(width, height, channels, bits=8):
    """Smooth waves with some noise; the last channel differs from the others."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [np.sin(x * (0.3 + 0.1 * c) + c) * np.cos(y * 0.25 - c) for c in range(channels)]
    top = 2 ** bits - 1
    values = (np.stack(planes, -1) * 0.45 + 0.5) * top + random.uniform(-0.05, 0.05, (height, width, channels)) * top
    return np.clip(values, 0, top).astype(np.uint16 if bits == 16 else np.uint8)


def expect(name, array):
    """Records what a file decodes to; array [height][width][channels] or [height][width]."""
    array = array if array.ndim == 3 else array[..., None]
    depth = array.dtype.itemsize * 8
    decode_lines.append(f"{name} {array.shape[1]} {array.shape[0]} {array.shape[2]} {depth} {decode_bin.tell()}")
    decode_bin.write(array.astype(array.dtype.newbyteorder("<")).tobytes())


def put(name, data, array):
    with open(os.path.join(FILES, name), "wb") as file:
        file.write(data)
    expect(name, array)


def save(name, image, mode, **options):
    """Saves with PIL and expects what PIL reads again, turned upright, in a mode (L, RGB or RGBA)."""
    path = os.path.join(FILES, name)
    image.save(path, **options)
    image = Image.open(path)
    image = image if name.endswith(".tif") else ImageOps.exif_transpose(image)  # PIL turns a TIFF on loading it
    expect(name, np.asarray(image.convert(mode)))


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(array, colour, bits, interlaced=False, extra=b""):
    """A PNG written by hand, filter 0; array [height][width][channels]; bits 1, 2, 4, 8 or 16 a sample."""
    def rows(part):
        out = b""
        for row in part:
            flat = row.reshape(-1).astype(np.uint32)
            if bits >= 8:
                out += b"\0" + flat.astype(">u2" if bits == 16 else np.uint8).tobytes()
            else:
                split = (flat[:, None] >> np.arange(bits - 1, -1, -1)) & 1
                out += b"\0" + np.packbits(split.astype(np.uint8)).tobytes()
        return out

    height, width = array.shape[:2]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    parts = [array[y::dy, x::dx] for x, y, dx, dy in passes] if interlaced else [array]
    data = b"".join(rows(part) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(data, 9)) +
            png_chunk(b"IEND", b""))


def tiff(array, photometric, order="<", tile=0, planar=False, extra=None, orientation=1, rows_per_strip=5):
    """An uncompressed TIFF written by hand; array [height][width][samples], 8 or 16 bits."""
    height, width, samples = array.shape
    array = array.astype(array.dtype.newbyteorder(order))
    parts = [array[..., i:i + 1] for i in range(samples)] if planar else [array]
    blocks = []
    for part in parts:
        if tile:
            padded = np.pad(part, ((0, -height % tile), (0, -width % tile), (0, 0)))
            blocks += [padded[y:y + tile, x:x + tile].tobytes()
                       for y in range(0, height, tile) for x in range(0, width, tile)]
        else:
            blocks += [part[y:y + rows_per_strip].tobytes() for y in range(0, height, rows_per_strip)]
    data, offsets = b"", []
    for block in blocks:
        offsets.append(8 + len(data))
        data += block + b"\0" * (len(block) % 2)
    counts = [len(block) for block in blocks]
    tags = {256: [width], 257: [height], 258: [array.dtype.itemsize * 8] * samples, 259: [1], 262: [photometric],
            274: [orientation], 277: [samples], 284: [2 if planar else 1]}
    if extra is not None:
        tags[338] = [extra]
    if tile:
        tags.update({322: [tile], 323: [tile], 324: offsets, 325: counts})
    else:
        tags.update({273: offsets, 278: [rows_per_strip], 279: counts})
    longs = (273, 279, 324, 325)
    directory = 8 + len(data)
    after = directory + 2 + 12 * len(tags) + 4
    entries, tail = b"", b""
    for tag, values in sorted(tags.items()):
        kind, code = (4, "I") if tag in longs else (3, "H")
        packed = struct.pack(order + str(len(values)) + code, *values)
        entries += struct.pack(order + "HHI", tag, kind, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", after + len(tail))
            tail += packed
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, directory)
    return head + data + struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0" + tail


def exif(orientation):
    """An EXIF block with nothing else in it; big-endian for odd values."""
    order = ">" if orientation % 2 else "<"
    return (b"Exif\0\0" + struct.pack(order + "2sHIHHHIHHI", b"MM" if order == ">" else b"II", 42, 8, 1, 0x0112, 3, 1,
                                      orientation, 0, 0))


def make_png():
    rgb, rgba, grey = picture(13, 11, 3), picture(13, 11, 4), picture(13, 11, 1)
    rgb16, rgba16, grey16 = (picture(13, 11, c, 16) for c in (3, 4, 1))
    save("rgb.png", Image.fromarray(rgb), "RGB")
    save("rgba.png", Image.fromarray(rgba), "RGBA")
    save("grey.png", Image.fromarray(grey[..., 0]), "L")
    save("palette.png", Image.fromarray(rgb).quantize(13), "RGB")
    save("palette_transparent.png", Image.fromarray(rgb).quantize(9), "RGBA", transparency=3)
    save("grey_alpha.png", Image.fromarray(rgba[..., :2], "LA"), "RGBA")
    save("bits.png", Image.fromarray(grey[..., 0]).convert("1"), "L")
    save("exif.png", Image.fromarray(rgb), "RGB", exif=exif(6)[6:])
    put("grey16.png", png(grey16, 0, 16), grey16)
    put("rgb16.png", png(rgb16, 2, 16), rgb16)
    put("rgba16.png", png(rgba16, 6, 16), rgba16)
    put("grey_alpha16.png", png(rgba16[..., :2], 4, 16), rgba16[..., [0, 0, 0, 1]])
    put("interlaced.png", png(rgb, 2, 8, True), rgb)
    put("interlaced16.png", png(rgba16, 6, 16, True), rgba16)
    put("interlaced_grey2.png", png(grey >> 6, 0, 2, True), (grey >> 6) * 85)
    put("grey4.png", png(grey >> 4, 0, 4), (grey >> 4) * 17)
    key = b"".join(struct.pack(">H", v) for v in rgb[3, 4])
    alpha = np.where((rgb == rgb[3, 4]).all(-1), 0, 255).astype(np.uint8)
    put("rgb_transparent.png", png(rgb, 2, 8, extra=png_chunk(b"tRNS", key)), np.dstack([rgb, alpha]))


def make_jpeg():
    # The PIL of this script and fovea both use libjpeg-turbo with its default, exact transforms.
    rgb, cmyk, grey = picture(21, 17, 3), picture(21, 17, 4), picture(21, 17, 1)
    save("rgb.jpg", Image.fromarray(rgb), "RGB", quality=90)
    save("rgb444.jpg", Image.fromarray(rgb), "RGB", quality=90, subsampling=0)
    save("progressive.jpg", Image.fromarray(rgb), "RGB", quality=80, progressive=True)
    save("grey.jpg", Image.fromarray(grey[..., 0]), "L", quality=80)
    save("cmyk.jpg", Image.fromarray(cmyk, "CMYK"), "RGB", quality=90)
    for orientation in range(1, 9):
        save(f"orientation{orientation}.jpg", Image.fromarray(rgb), "RGB", quality=80, exif=exif(orientation))
    # The same inks declared as YCCK: the last byte of the Adobe marker is the transform.
    with open(os.path.join(FILES, "cmyk.jpg"), "rb") as file:
        data = bytearray(file.read())
    data[data.index(b"Adobe") + 11] = 2
    array = np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"))
    put("ycck.jpg", bytes(data), array)
    # RGB without a transform: the Adobe marker says 0.
    with open(os.path.join(FILES, "rgb444.jpg"), "rb") as file:
        data = file.read()
    start = data.index(b"\xff\xe0")
    end = start + 2 + struct.unpack(">H", data[start + 2:start + 4])[0]
    data = data[:start] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0" + data[end:]
    put("adobe_rgb.jpg", data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def make_webp():
    rgb, rgba = picture(19, 14, 3), picture(19, 14, 4)
    rgba[:5, :, 3] = 0
    save("lossless.webp", Image.fromarray(rgb), "RGB", lossless=True)
    save("lossless_alpha.webp", Image.fromarray(rgba), "RGBA", lossless=True, exact=True)
    save("lossy.webp", Image.fromarray(rgb), "RGB", quality=80)
    save("exif.webp", Image.fromarray(rgb), "RGB", lossless=True, exif=exif(8)[6:])


def make_tiff():
    rgb, rgba, grey = picture(18, 13, 3), picture(18, 13, 4), picture(18, 13, 1)
    rgb16, rgba16, grey16 = (picture(18, 13, c, 16) for c in (3, 4, 1))
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        save(f"rgb_{compression}.tif", Image.fromarray(rgb), "RGB", compression=compression)
    save("rgba.tif", Image.fromarray(rgba), "RGBA", compression="tiff_lzw")
    save("grey.tif", Image.fromarray(grey[..., 0]), "L")
    save("palette.tif", Image.fromarray(rgb).quantize(16), "RGB")
    save("cmyk.tif", Image.fromarray(rgba, "CMYK"), "RGB")
    save("bits_group4.tif", Image.fromarray(grey[..., 0]).convert("1"), "L", compression="group4")
    save("jpeg.tif", Image.fromarray(rgb), "RGB", compression="jpeg")
    put("grey16.tif", tiff(grey16, 1), grey16)
    put("grey16_big.tif", tiff(grey16, 1, ">"), grey16)
    put("rgb16_tiled.tif", tiff(rgb16, 2, tile=16), rgb16)
    put("rgb16_planes.tif", tiff(rgb16, 2, ">", planar=True), rgb16)
    put("rgb_planes_tiled.tif", tiff(rgb, 2, tile=16, planar=True), rgb)
    put("rgba16.tif", tiff(rgba16, 2, extra=2), rgba16)
    put("rgbx.tif", tiff(rgba, 2, extra=0), rgba[..., :3])
    put("white_is_zero.tif", tiff(grey, 0), 255 - grey)
    put("grey_alpha.tif", tiff(rgba[..., :2], 1, extra=2), rgba[..., [0, 0, 0, 1]])
    premultiplied = rgba.copy()
    premultiplied[..., :3] = rgba[..., :3].astype(int) * rgba[..., 3:] // 255
    data = tiff(premultiplied, 2, extra=1)
    put("premultiplied.tif", data, np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")))
    for orientation in (3, 6, 7):
        turn = {3: Image.ROTATE_180, 6: Image.ROTATE_270, 7: Image.TRANSVERSE}[orientation]
        put(f"orientation{orientation}.tif", tiff(rgb, 2, orientation=orientation),
            np.asarray(Image.fromarray(rgb).transpose(turn)))
    save("palette_orientation.tif", Image.fromarray(rgb).quantize(16), "RGB", tiffinfo={274: 5})


def make_ppm():
    rgb, grey, rgb16, grey16 = picture(9, 7, 3), picture(9, 7, 1), picture(9, 7, 3, 16), picture(9, 7, 1, 16)

    def ascii_of(array, kind, top):
        rows = "\n".join(" ".join(str(v) for v in row.reshape(-1)) for row in array)
        return f"{kind}\n# a comment 1 2 3\n{array.shape[1]} # wide\n{array.shape[0]}\n{top}\n{rows}\n".encode()

    put("rgb.ppm", b"P6 9 7 255\n" + rgb.tobytes(), rgb)
    put("grey.pgm", b"P5\n# made by hand\n9 7\n255\n" + grey.tobytes(), grey)
    put("rgb16.ppm", b"P6 9 7 65535\n" + rgb16.astype(">u2").tobytes(), rgb16)
    put("grey16.pgm", b"P5 9 7 65535\n" + grey16.astype(">u2").tobytes(), grey16)
    put("ascii.ppm", ascii_of(rgb, "P3", 255), rgb)
    put("ascii.pgm", ascii_of(grey, "P2", 255), grey)
    put("ascii16.pgm", ascii_of(grey16, "P2", 65535), grey16)
    for top in (1, 10, 100):
        name = f"maximum{top}.ppm"
        small = (rgb.astype(int) * top // 255).astype(np.uint8)
        with open(os.path.join(FILES, name), "wb") as file:
            file.write(f"P6 9 7 {top}\n".encode() + small.tobytes())
        expect(name, np.asarray(Image.open(os.path.join(FILES, name)).convert("RGB")))


def make_resize():
    filters = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC,
               "lanczos": Image.LANCZOS}
    sources = {"RGB": picture(37, 29, 3), "RGBA": picture(37, 29, 4), "L": picture(37, 29, 1)[..., 0]}
    sources["RGB"][5:12, 9:20] = random.randint(0, 256, (7, 11, 3))  # hard edges: over- and undershoot
    sources["RGBA"][8:14, :, 3] = 0
    for mode, array in sources.items():
        name = f"resize_{mode}.png"
        image = Image.fromarray(array, mode)
        save(name, image, mode)
        for size in [(17, 11), (45, 33)] + ([(37, 10), (70, 29), (1, 1), (5, 29)] if mode == "RGB" else []):
            for key, value in filters.items():
                resize_lines.append(f"{name} {key} {size[0]} {size[1]} u8 {resize_bin.tell()}")
                resize_bin.write(image.resize(size, value).tobytes())
    plane = Image.fromarray(sources["L"].astype(np.float32))  # mode F
    for size in [(13, 9), (45, 33)]:
        for key in ("bilinear", "bicubic", "nearest"):
            resize_lines.append(f"resize_L.png {key} {size[0]} {size[1]} f32 {resize_bin.tell()}")
            resize_bin.write(np.asarray(plane.resize(size, filters[key])).astype("<f4").tobytes())


def main():
    shutil.rmtree(FILES, ignore_errors=True)
    os.makedirs(FILES)
    for make in (make_png, make_jpeg, make_webp, make_tiff, make_ppm, make_resize):
        make()
    for name, lines, data in (("decode", decode_lines, decode_bin), ("resize", resize_lines, resize_bin)):
        with open(os.path.join(HERE, name + ".txt"), "w") as file:
            file.write("\n".join(lines) + "\n")
        with open(os.path.join(HERE, name + ".bin"), "wb") as file:
            file.write(data.getvalue())


main()
