// The page of `resnet serve`: a picture's classes and heatmap, its models, and once a second what the server does, of
// which serve_graphs.js draws the graphs. Asks this server alone.
"use strict";

const $ = (id) => document.getElementById(id);

function show(element, text) {
  element.textContent = text;
  element.hidden = text === "";
}

// ---- Asking ----

const PATIENCE = 60000;  // ms for a picture's answer

// Throws an Error whose message is for people.
async function ask(path, options = {}, patience = 5000) {
  let response;
  try {
    response = await fetch(path, {cache: "no-store", signal: AbortSignal.timeout(patience), ...options});
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? "the server gave no answer in time" : "the server does not answer");
  }
  if (response.ok) return response;
  let reason = "";
  try { reason = (await response.json()).error; } catch { /* no JSON: the status says it */ }
  throw new Error(reason || `the server answered with status ${response.status}`);
}

// ---- A picture ----

let models = [];  // as the index lists them
let shown = null;  // {bitmap, part, heat}: what the canvas shows
let turn = 0;  // of the newest picture; answers to older ones are dropped

const address = (model) =>
    `v2/models/${encodeURIComponent(model.name)}/versions/${encodeURIComponent(model.version)}`;

// What the network can do and how it sees pictures.
async function about(model) {
  const config = await (await ask(address(model) + "/config")).json();
  const outputs = config.output.map((output) => output.name);
  const how = config.parameters?.preprocessing?.string_value;
  return {classes: outputs.includes("probabilities"), how: how ? JSON.parse(how) : null};
}

// One request of the Open Inference Protocol: JSON, and the picture's bytes behind it.
async function infer(model, file, classes) {
  const outputs = [{name: "heatmap", parameters: {binary_data: true}}];
  if (classes) outputs.push({name: "probabilities", parameters: {classification: 5}});
  const size = 4 + file.size;
  const json = new TextEncoder().encode(JSON.stringify({
    inputs: [{name: "image", datatype: "BYTES", shape: [1], parameters: {binary_data_size: size}}], outputs,
  }));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, file.size, true);
  const response = await ask(address(model) + "/infer", {
    method: "POST", body: new Blob([json, length, file]),
    headers: {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": json.length},
  }, PATIENCE);
  const body = await response.arrayBuffer();
  const head = Number(response.headers.get("Inference-Header-Content-Length"));
  const answer = JSON.parse(new TextDecoder().decode(body.slice(0, head)));
  const found = Object.fromEntries(answer.outputs.map((output) => [output.name, output]));
  const [, height, width] = found.heatmap.shape;
  const heat = {height, width, values: new Float32Array(body.slice(head))};
  const guesses = (found.probabilities?.data ?? []).map((text) => {
    const [, share, index, label] = /^([^:]*):(\d+):(.*)$/s.exec(text);
    return {share: Number(share), index: Number(index), label};
  });
  return {heat, guesses, version: answer.model_version};
}

// The part of a picture that the network sees, in shares of its sides: the shorter side is resized, the centre cropped.
function seenPart(width, height, how) {
  if (!how || how.resize === 0) return {left: 0, top: 0, width: 1, height: 1};
  const longer = (side, shorter) => Math.floor(how.resize * side / shorter);
  const across = width <= height ? how.resize : longer(width, height);
  const down = width <= height ? longer(height, width) : how.resize;
  return {left: (across - how.width) / 2 / across, top: (down - how.height) / 2 / down,
          width: how.width / across, height: how.height / down};
}

async function look(file) {
  const mine = ++turn;
  const model = models.find((one) => one.key === $("which").value) ?? models[0];
  show($("problem"), "");
  if (!model) return show($("problem"), "No model is ready.");
  $("drop").setAttribute("aria-busy", "true");
  try {
    const begun = performance.now();
    const bitmap = await createImageBitmap(file).catch(() => null);  // which the server may read all the same
    const {classes, how} = await about(model);
    const {heat, guesses, version} = await infer(model, file, classes);
    if (mine !== turn) return;
    const milliseconds = Math.max(1, Math.round(performance.now() - begun));
    shown = bitmap && {bitmap, heat, part: seenPart(bitmap.width, bitmap.height, how)};
    $("sight").hidden = !shown;
    $("result").hidden = false;
    if (shown) draw();
    list(guesses);
    const what = classes ? "" : "This network has no classes; its heatmap shows what stands out. ";
    $("told").textContent = `${what}${model.name}, version ${version}, ${milliseconds} ms there and back`;
    $("picture").setAttribute("aria-label", `${file.name || "The picture"}, and over it the heatmap of ` +
        (guesses.length ? `what speaks for ${guesses[0].label}` : "what stands out"));
  } catch (error) {
    if (mine !== turn) return;
    $("result").hidden = true;
    show($("problem"), `No answer to ${file.name || "this picture"}: ${error.message}`);
  } finally {
    if (mine === turn) $("drop").removeAttribute("aria-busy");
  }
}

function list(guesses) {
  $("classes").replaceChildren(...guesses.map((guess) => {
    const line = document.createElement("li");
    const [answer, track, bar] = [0, 0, 0].map(() => document.createElement("div"));
    const [label, share] = [0, 0].map(() => document.createElement("span"));
    label.textContent = guess.label;
    share.textContent = (100 * guess.share).toFixed(2) + " %";
    answer.className = "answer";
    answer.append(label, share);
    track.className = "track";
    track.append(bar);
    bar.style.width = 100 * guess.share + "%";
    line.append(answer, track);
    return line;
  }));
}

// ---- The heatmap ----

// From dark violet over red to light yellow in equal steps of lightness (OKLab), as colourful as a screen shows.
const SCALE = Array.from({length: 256}, (_, i) => {
  const t = i / 255, hue = (295 + 175 * t) * Math.PI / 180, l = 0.15 + 0.8 * t;
  const linear = (chroma) => {
    const a = chroma * Math.cos(hue), b = chroma * Math.sin(hue);
    const x = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const y = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const z = (l - 0.0894841775 * a - 1.2914855480 * b) ** 3;
    return [4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
            -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
            -0.0041960863 * x - 0.7034186147 * y + 1.7076147010 * z];
  };
  let low = 0, high = 0.19;
  for (let step = 0; step < 20; ++step) {
    const middle = (low + high) / 2;
    if (linear(middle).every((value) => value >= 0 && value <= 1)) low = middle; else high = middle;
  }
  const encoded = (value) => value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
  return linear(low).map((value) => Math.round(255 * encoded(value)));
});

// The value at a place (0 to 1), between the centres of cells interpolated, over the largest.
function heatAt({width, height, values}, largest, x, y) {
  const column = Math.min(Math.max(x * width - 0.5, 0), width - 1);
  const row = Math.min(Math.max(y * height - 0.5, 0), height - 1);
  const left = Math.floor(column), top = Math.floor(row);
  const right = Math.min(left + 1, width - 1), bottom = Math.min(top + 1, height - 1);
  const across = column - left, down = row - top;
  const upper = values[top * width + left] * (1 - across) + values[top * width + right] * across;
  const lower = values[bottom * width + left] * (1 - across) + values[bottom * width + right] * across;
  return largest > 0 ? (upper * (1 - down) + lower * down) / largest : 0;
}

function heatLayer(width, height, {heat, part}) {
  const pixels = new ImageData(width, height);
  const largest = heat.values.reduce((most, value) => Math.max(most, value), 0);
  for (let row = 0, at = 0; row < height; ++row) {
    const y = ((row + 0.5) / height - part.top) / part.height;
    for (let column = 0; column < width; ++column, at += 4) {
      const x = ((column + 0.5) / width - part.left) / part.width;
      const seen = x >= 0 && x <= 1 && y >= 0 && y <= 1;
      const color = seen ? SCALE[Math.round(255 * heatAt(heat, largest, x, y))] : [160, 162, 166];
      pixels.data.set(color, at);
      pixels.data[at + 3] = 255;
    }
  }
  const layer = document.createElement("canvas");
  layer.width = width;
  layer.height = height;
  layer.getContext("2d").putImageData(pixels, 0, 0);
  return layer;
}

function draw() {
  const canvas = $("picture"), {bitmap} = shown;
  const factor = Math.min(800 / bitmap.width, 800 / bitmap.height);
  canvas.width = Math.max(1, Math.round(bitmap.width * factor));
  canvas.height = Math.max(1, Math.round(bitmap.height * factor));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  shown.layer ??= heatLayer(canvas.width, canvas.height, shown);
  context.globalAlpha = $("strength").value / 100;
  context.drawImage(shown.layer, 0, 0);
}

function drawScale() {
  const context = $("scale").getContext("2d"), {width, height} = $("scale");
  for (let x = 0; x < width; ++x) {
    context.fillStyle = `rgb(${SCALE[Math.round(255 * x / (width - 1))].join()})`;
    context.fillRect(x, 0, 1, height);
  }
}

// ---- Where pictures come from ----

const picture = (list) => [...list].find((file) => file.type.startsWith("image/")) ?? list[0];

function takePictures() {
  const drop = $("drop");
  $("file").addEventListener("change", (event) => {
    if (event.target.files[0]) look(event.target.files[0]);
    event.target.value = "";  // so that the same file counts again
  });
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const file = picture(event.dataTransfer.files);
    if (file) look(file); else show($("problem"), "That was no file. Save the picture first, then drop it here.");
  });
  addEventListener("paste", (event) => {
    const file = picture(event.clipboardData.files);
    if (file) look(file);
  });
  $("strength").addEventListener("input", () => { if (shown) draw(); });
}

// Where the browser has one and gives it to this page: on this machine, or over TLS.
async function offerCamera() {
  const devices = navigator.mediaDevices;
  if (!devices?.getUserMedia) return;
  const all = await devices.enumerateDevices().catch(() => []);
  $("camera").hidden = !all.some((device) => device.kind === "videoinput");
  const video = $("video");
  const end = () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    $("stage").hidden = true;
    $("camera").focus();
  };
  $("camera").addEventListener("click", async () => {
    show($("problem"), "");
    try {
      video.srcObject = await devices.getUserMedia({video: {facingMode: "environment"}});
      $("stage").hidden = false;
      await video.play();
      $("snap").focus();
    } catch (error) {
      end();
      show($("problem"), error.name === "NotAllowedError" ? "The browser was not allowed to use the camera."
                                                          : "The camera gives no picture.");
    }
  });
  $("stop").addEventListener("click", end);
  $("snap").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    end();
    canvas.toBlob((blob) => look(new File([blob], "the camera's picture", {type: blob.type})), "image/jpeg", 0.95);
  });
}

// ---- Models ----

function cell(row, text, name = "") {
  const made = row.insertCell();
  made.textContent = text;
  made.className = name;
  return made;
}

function listModels(index, families) {
  const value = (name, model) => (families[name] ?? []).find(
      ({labels}) => labels.model === model.name && labels.version === model.version);
  $("models").replaceChildren(...index.map((model) => {
    const row = document.createElement("tr");
    cell(row, model.name, "why");
    cell(row, model.version, "number");
    const state = cell(row, model.state.toLowerCase(), model.reason ? "why" : "");
    if (model.reason) {
      const reason = document.createElement("span");
      reason.className = model.state === "READY" ? "quiet" : "quiet bad";
      reason.textContent = (model.state === "READY" ? "the last load failed, this one stays: " : "") + model.reason;
      state.append(reason);
    }
    cell(row, value("resnet_model_info", model)?.labels.precision ?? "–");
    const bytes = value("resnet_model_bytes", model)?.value;
    cell(row, bytes === undefined ? "–" : megabytes(bytes) + " MB", "number");
    cell(row, value("nv_inference_request_success", model)?.value ?? "–", "number");
    cell(row, value("nv_inference_request_failure", model)?.value ?? "–", "number");
    return row;
  }));
}

function offerModels(index) {
  const ready = index.filter((model) => model.state === "READY");
  for (const model of ready) model.key = `${model.name}/${model.version}`;
  if (ready.map(({key}) => key).join("\n") === models.map(({key}) => key).join("\n")) return;
  const chosen = $("which").value;
  models = ready;
  $("which").replaceChildren(...ready.map((model) => {
    const several = ready.filter(({name}) => name === model.name).length > 1;
    return new Option(several ? `${model.name}, version ${model.version}` : model.name, model.key);
  }));
  if (ready.some(({key}) => key === chosen)) $("which").value = chosen;
  $("which-line").hidden = ready.length < 2;
}

// ---- Once a second ----

const EVERY = 1000;  // ms
let silent = null;  // since when the server does not answer

function tell(text, kind) {
  if ($("state").textContent !== text) $("state").textContent = text;  // said aloud when it changes
  $("state").className = kind;
}

async function watch() {
  try {
    const families = parseMetrics(await (await ask("metrics")).text());
    const sample = sampleOf(families);
    const before = samples.at(-1);
    sample.joined = before?.time > sample.time - 5 && sample.requests >= before.requests;  // less: it was started anew
    samples.push(sample);
    const index = await (await ask("v2/repository/index", {method: "POST"})).json();
    offerModels(index);
    listModels(index, families);
    const ready = (await fetch("v2/health/ready", {cache: "no-store"})).ok;
    const all = index.every((model) => model.state === "READY" || model.reason === "unloaded");
    const loading = index.some((model) => model.state === "LOADING");
    const why = loading ? "loading" : all ? "stopping" : "not every model is ready";
    tell(ready ? "ready" : why, ready ? "good" : "bad");
    silent = null;
    show($("silence"), "");
  } catch (error) {
    silent ??= new Date();
    samples.push({time: performance.now() / 1000, silent: true});
    tell("does not answer", "bad");
    const text = `Since ${silent.toLocaleTimeString()}: ${error.message}. This page goes on asking.`;
    if ($("silence").textContent !== text) show($("silence"), text);
  }
  drawGraphs();
}

async function watchOn() {
  if (!document.hidden) await watch();
  setTimeout(watchOn, EVERY);
}

makeGraphs();
drawScale();
takePictures();
offerCamera();
watchOn();
