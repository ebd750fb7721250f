#!/usr/bin/env python3
"""Inputs for the models of compare.sh, and what ONNX Runtime makes of them at one thread.

usage: reference.py FOLDER NAME...          FOLDER/NAME/model.onnx is there; `tenon compare` reads what is put beside it
       reference.py --times FOLDER NAME...  only how long ONNX Runtime takes, measured again
Needs numpy, onnx, onnxruntime; the text models Pillow and DejaVuSans, the voice models a 16 kHz WAV file.
"""
import glob, os, shutil, statistics, sys, time
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, numpy_helper

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
CLIP = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav"
TEXT = "Tenon 2026"


def picture(*shape, seed=7):
    return np.random.default_rng(seed).random(shape, np.float32)


def lines(height, width, size, *texts):
    """Lines of text, black on white, as PP-OCR takes pictures: [1, 3, height, width], -1 to 1."""
    from PIL import Image, ImageDraw, ImageFont
    im = Image.new("RGB", (width, height), "white")
    font = ImageFont.truetype(FONT, size)
    for i, text in enumerate(texts):
        ImageDraw.Draw(im).text((6, 4 + 2 * size * i), text, fill="black", font=font)
    return ((np.asarray(im, np.float32)[:, :, ::-1] / 255 - .5) / .5).transpose(2, 0, 1)[None].copy()


def clip():
    import wave
    w = wave.open(CLIP)
    assert w.getframerate() == 16000 and w.getnchannels() == 1
    return np.frombuffer(w.readframes(w.getnframes()), np.int16).astype(np.float32) / 32768


def page(height, width):
    return lines(height, width, 24, *["The joiner's tongue %d" % i for i in range(height // 48)])


def sentences(batch, length):
    r = np.random.default_rng(100 * batch + length)
    ids = r.integers(1000, 30000, (batch, length))
    ids[:, 0], ids[:, -1] = 101, 102
    mask = np.ones_like(ids)
    for b in range(1, batch):                       # others are shorter
        mask[b, max(1, length - 2 * b):] = 0
    return {"input_ids": ids, "attention_mask": mask}


def voice(session):
    """Steps of the clip, each with the state in which the one before left the model."""
    samples, state, context = clip(), np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32)
    for at in range(0, 24 * 512, 512):
        chunk = samples[at:at + 512]
        feed = {"input": np.concatenate([context, chunk])[None], "state": state, "sr": np.array(16000, np.int64)}
        yield feed
        state, context = session.run(None, feed)[1], chunk[-64:]


def source():
    b = open(os.path.abspath(__file__), "rb").read()
    f = np.full(2048, 256, np.int32)
    f[:1024], f[1024:] = list(b.lstrip()[:1024]), list(b[:4096].rstrip()[-1024:])
    return f[None]


LENGTHS, BATCHES = (5, 8, 16, 31, 32, 64, 100, 128), (1, 2, 4)
SIZES = ((160, 224), (320, 320), (256, 448), (480, 352), (640, 480))
INPUTS = {                                          # NAME: what gives the inputs, by name or for the only one
    "magika": lambda s: [source()],
    "basic_pitch": lambda s: [np.sin(np.arange(43844) * .1 * (1 + np.arange(43844) / 1e5)).astype("f4")[None, :, None]],
    "silero_vad": voice,
    "silero_vad_ifless": voice,
    "ppocr_det": lambda s: [page(320, 320)],
    "ppocr_rec": lambda s: [lines(48, 320, 34, TEXT)],
    "ppocr_cls": lambda s: [np.concatenate([lines(48, 192, 34, t)[:, :, ::f, ::f].copy()
                                            for t in ("Tenon", "mortise", "2026", "joint") for f in (1, -1)])],
    "inception_v3": lambda s: [picture(1, 3, 299, 299)],
    "minilm": lambda s: [sentences(1, 32)],
    "minilm_shapes": lambda s: [sentences(b, n) for n in LENGTHS for b in BATCHES],
    "ppocr_det_shapes": lambda s: [page(*size) for size in SIZES],
}


def write(path, value):
    with open(path, "wb") as f:
        f.write(numpy_helper.from_array(np.asarray(value, order="C")).SerializeToString())


def read(path):
    t = TensorProto()
    with open(path, "rb") as f:
        t.ParseFromString(f.read())
    return numpy_helper.to_array(t)


def median_ms(session, feed, seconds):
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end and len(times) < 200:
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def open_model(folder, name):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(os.path.join(folder, name, "model.onnx"), options, ["CPUExecutionProvider"])


def refer(folder, name):
    for old in glob.glob(os.path.join(folder, name, "test_data_set_*")):
        shutil.rmtree(old)
    session = open_model(folder, name)
    names = [i.name for i in session.get_inputs()]
    for k, feed in enumerate(INPUTS.get(name, lambda s: [picture(1, 3, 224, 224)])(session)):
        feed = feed if isinstance(feed, dict) else {names[0]: feed}
        to = os.path.join(folder, name, "test_data_set_%d" % k)
        os.makedirs(to)
        for i, n in enumerate(names):
            write(os.path.join(to, "input_%d.pb" % i), feed[n])
        for i, value in enumerate(session.run(None, feed)):
            write(os.path.join(to, "output_%d.pb" % i), value)
    print("reference: %s, %d sets" % (name, k + 1))


def first_ms(folder, name):
    """From the model's file to its first output: the median of three."""
    names, times = None, []
    for _ in range(3):
        start = time.perf_counter()
        session = open_model(folder, name)
        opened = time.perf_counter()
        names = names or [i.name for i in session.get_inputs()]
        at = os.path.join(folder, name, "test_data_set_0")
        feed = {n: read(os.path.join(at, "input_%d.pb" % i)) for i, n in enumerate(names)}
        ready = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - ready + opened - start))
    return statistics.median(times)


def measure(folder, name):
    with open(os.path.join(folder, name, "reference_first_ms"), "w") as f:
        f.write("%.4f\n" % first_ms(folder, name))
    session = open_model(folder, name)
    names = [i.name for i in session.get_inputs()]
    count = len(glob.glob(os.path.join(folder, name, "test_data_set_*")))
    with open(os.path.join(folder, name, "reference_ms"), "w") as f:
        for k in range(count):
            at = os.path.join(folder, name, "test_data_set_%d" % k)
            feed = {n: read(os.path.join(at, "input_%d.pb" % i)) for i, n in enumerate(names)}
            f.write("%.4f\n" % median_ms(session, feed, 1.5 / count))


again = sys.argv[1:2] == ["--times"]
arguments = sys.argv[2 if again else 1:]
if len(arguments) < 2:
    sys.exit(__doc__)
for wanted in arguments[1:]:
    if not again:
        refer(arguments[0], wanted)
    measure(arguments[0], wanted)
