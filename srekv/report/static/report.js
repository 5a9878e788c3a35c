// Draws the three charts of a report from the data that the page carries; asks nobody for anything.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const charts = [];
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const seconds = (value) => (value === null ? "never" : value.toFixed(1) + " s");
  const escaped = (text) => text.replace(/[&<>]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[one]);

  /** Keep a chart in an element, drawn anew when the colours change; `options` is asked each time. */
  function keep(id, options) {
    const element = document.getElementById(id);
    if (!element) return null;
    const chart = echarts.init(element, null, { renderer: "canvas", devicePixelRatio: Math.max(2, devicePixelRatio) });
    const kept = { chart, element, draw: () => chart.setOption(options(element), { notMerge: true }) };
    charts.push(kept);
    kept.draw();
    new ResizeObserver(() => { chart.resize(); kept.draw(); }).observe(element);
    return kept;
  }

  const redraw = () => charts.forEach((one) => { one.chart.resize(); one.draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("print").addEventListener("change", redraw);

  function base(element) {
    return {
      animation: false,
      aria: { enabled: true, label: { description: element.dataset.description } },
      textStyle: { color: color("ink"), fontFamily: getComputedStyle(document.body).fontFamily },
      tooltip: {
        confine: true, backgroundColor: color("panel"), borderColor: color("line"),
        textStyle: { color: color("ink"), fontSize: 13 },
      },
    };
  }

  const axis = (more) => ({
    axisLine: { lineStyle: { color: color("line") } }, axisTick: { lineStyle: { color: color("line") } },
    axisLabel: { color: color("soft"), hideOverlap: true }, splitLine: { show: false }, ...more,
  });
  const narrow = (element) => element.clientWidth < 560;
  const bound = (text, width) => Math.min(width, 22 + 7.4 * Math.max(...text.map((one) => one.length)));

  // ---- the timeline

  const line = data.timeline;
  let view = null;

  function stateColor(state) {
    const node = line.nodes.indexOf(state);
    if (node >= 0) return color("node-" + (node % 2));
    return color({ error: "bad", healthy: "good" }[state] || "quiet");
  }

  /** Bars fill their lane. Requests stand high, middle or low by who answered, so that colour is not all that tells. */
  function band(state, request, height) {
    if (!request) return [-0.3 * height, 0.6 * height];
    const node = line.nodes.indexOf(state);
    if (node === 0) return [-0.36 * height, 0.3 * height];
    return node === 1 ? [0.06 * height, 0.3 * height] : [-0.36 * height, 0.72 * height];
  }

  function bars(items, request) {
    return {
      type: "custom", clip: true, encode: { x: [1, 2], y: 0 }, data: items.map((one) => one.slice(0, 3)), progressive: 4000,
      renderItem: (params, api) => {
        const [, , , state, , share] = items[params.dataIndex];
        const [x, y] = api.coord([api.value(1), api.value(0)]);
        const end = api.coord([api.value(2), api.value(0)])[0];
        const [top, height] = band(state, request, api.size([0, 1])[1]);
        return {
          type: "rect", shape: { x, y: y + top, width: Math.max(request ? 1 : 0, end - x), height },
          style: { fill: stateColor(state), opacity: request ? 0.75 : share === undefined ? 0.9 : 0.15 + 0.75 * share },
        };
      },
      tooltip: {
        formatter: (params) => {
          const [lane, begin, end, state, label] = items[params.dataIndex];
          const who = line.nodes.includes(state) && request ? ", answered by " + state : "";
          return escaped(`${line.lanes[lane]}: ${label}${who}`) + `<br>${seconds(begin)} to ${seconds(end)} after the fault`;
        },
      },
    };
  }

  function marks() {
    const shades = line.phases.filter((one) => one.seconds !== null);
    const mark = (x, name) => ({ xAxis: x, label: { formatter: name, color: color("ink"), position: "start", distance: 4 } });
    const moments = [mark(0, "fault")].concat(line.heal === null ? [] : [mark(line.heal, "heal")]);
    return {
      type: "custom", data: [], renderItem: () => null, silent: true,
      markArea: {
        silent: true,
        data: shades.map((one, index) => [
          { xAxis: one.begin, itemStyle: { color: color(index % 2 ? "shade-2" : "shade") } }, { xAxis: one.begin + one.seconds },
        ]),
      },
      markLine: { silent: true, symbol: "none", lineStyle: { color: color("ink"), type: "dashed", width: 1 }, data: moments },
    };
  }

  function timelineOptions(element) {
    const left = bound(line.lanes, narrow(element) ? 104 : 190);
    element.style.height = 110 + 36 * line.lanes.length + "px";
    const printed = matchMedia("print").matches;
    const window = { startValue: view ? view[0] : line.span[0], endValue: view ? view[1] : line.span[1] };
    return {
      ...base(element),
      grid: { left, right: 14, top: 26, bottom: printed ? 44 : 76 },
      xAxis: axis({ type: "value", min: line.span[0], max: line.span[1], name: "seconds since the fault", nameLocation: "middle", nameGap: 26, nameTextStyle: { color: color("soft") }, axisLabel: { color: color("soft"), hideOverlap: true, showMinLabel: false, showMaxLabel: false } }),
      yAxis: axis({
        type: "category", data: line.lanes, inverse: true,
        axisLabel: { color: color("ink"), width: left - 14, overflow: "truncate", interval: 0, fontSize: narrow(element) ? 11 : 12.5 },
        splitLine: { show: true, lineStyle: { color: color("line") } },
      }),
      dataZoom: [
        { type: "inside", filterMode: "weakFilter", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: "shift", ...window },
        {
          type: "slider", show: !printed, filterMode: "weakFilter", height: 22, bottom: 8, borderColor: color("line"), fillerColor: color("shade-2"),
          textStyle: { color: color("soft") }, labelFormatter: (value) => value.toFixed(0) + " s", showDataShadow: false, ...window,
        },
      ],
      series: [marks(), bars(line.bars, false), bars(line.requests, true)],
    };
  }

  function zoom(kind) {
    const [low, high] = line.span;
    let [begin, end] = view || line.span;
    const width = end - begin;
    const [out, back] = line.outage;
    const margin = Math.max(2, 0.1 * (back - out));
    const moves = {
      all: [low, high], outage: [out - margin, back + margin], in: [begin + width / 4, end - width / 4],
      out: [begin - width / 2, end + width / 2], left: [begin - width / 4, end - width / 4], right: [begin + width / 4, end + width / 4],
    };
    [begin, end] = moves[kind];
    if (kind === "left" && begin < low) [begin, end] = [low, low + width];
    if (kind === "right" && end > high) [begin, end] = [high - width, high];
    view = [Math.max(low, begin), Math.min(high, Math.max(end, begin + 0.2))];
    kept.chart.dispatchAction({ type: "dataZoom", startValue: view[0], endValue: view[1] });
  }

  const kept = line && keep("timeline", timelineOptions);
  if (kept) {
    kept.chart.on("datazoom", () => {
      const [zoomed] = kept.chart.getOption().dataZoom;
      view = [zoomed.startValue, zoomed.endValue];
      document.getElementById("shown").textContent = `Shown: ${view[0].toFixed(1)} s to ${view[1].toFixed(1)} s`;
    });
    document.querySelectorAll("[data-zoom]").forEach((one) => one.addEventListener("click", () => zoom(one.dataset.zoom)));
    const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", Home: "all", 0: "all" };
    kept.element.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      zoom(keys[event.key]);
    });
    const words = line.nodes.map((name, index) => [`--node-${index % 2}`, name]).concat([["--bad", "nobody (failed)"], ["--quiet", "not known"]]);
    document.getElementById("legend").replaceChildren(...words.flatMap(([variable, name]) => {
      const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
      swatch.style.background = `var(${variable})`;
      return [swatch, Object.assign(document.createElement("span"), { textContent: name })];
    }));
  }

  // ---- the waterfall

  function waterfallOptions(element) {
    const steps = line.phases;
    const last = Math.max(...steps.map((one) => one.begin + (one.seconds || 0)), 1);
    const left = bound(steps.map((one) => one.name), narrow(element) ? 120 : 260);
    element.style.height = 60 + 34 * steps.length + "px";
    return {
      ...base(element),
      grid: { left, right: 70, top: 6, bottom: 40 },
      xAxis: axis({ type: "value", min: 0, max: last, name: "seconds since the fault", nameLocation: "middle", nameGap: 24, nameTextStyle: { color: color("soft") }, axisLabel: { color: color("soft"), hideOverlap: true, formatter: (value) => String(Math.round(value)) } }),
      yAxis: axis({ type: "category", data: steps.map((one) => one.name), inverse: true, axisTick: { show: false }, axisLabel: { color: color("ink"), width: left - 14, overflow: "break", interval: 0, lineHeight: 15, fontSize: narrow(element) ? 11 : 12.5 } }),
      series: [{
        type: "custom", encode: { x: [1, 2], y: 0 },
        data: steps.map((one, index) => [index, one.begin, one.seconds === null ? last : one.begin + one.seconds]),
        renderItem: (params, api) => {
          const step = steps[params.dataIndex];
          const [x, y] = api.coord([api.value(1), api.value(0)]);
          const end = api.coord([api.value(2), api.value(0)])[0];
          const failback = step.name === "failback" || step.name === "the fault lasts";
          const fill = step.seconds === null ? color("bad") : color(failback ? "quiet" : "node-0");
          return {
            type: "group", children: [
              { type: "rect", shape: { x, y: y - 9, width: Math.max(2, end - x), height: 18, r: 2 }, style: { fill } },
              { type: "text", style: { x: Math.max(end, x + 2) + 6, y, text: seconds(step.seconds), fill: color("ink"), verticalAlign: "middle", font: "13px sans-serif" } },
            ],
          };
        },
        tooltip: { formatter: (params) => `${escaped(steps[params.dataIndex].name)}: ${seconds(steps[params.dataIndex].seconds)}` },
      }],
    };
  }
  if (line) keep("waterfall", waterfallOptions);

  // ---- the distribution

  function distributionOptions(element) {
    const { curve, measured, bound: worst } = data.distribution;
    const low = Math.floor(Math.min(curve[0][0], measured) - 2);
    const high = Math.ceil(Math.max(worst, measured) + 2);
    const mark = (x, text, position) => ({ xAxis: x, label: { formatter: text, color: color("ink"), position, rotate: 0 } });
    return {
      ...base(element),
      grid: { left: 52, right: 24, top: 26, bottom: 44 },
      xAxis: axis({ type: "value", min: low, max: high, name: "outage, seconds", nameLocation: "middle", nameGap: 26, nameTextStyle: { color: color("soft") } }),
      yAxis: axis({ type: "value", min: 0, max: 100, interval: 25, axisLabel: { color: color("soft"), formatter: "{value} %" }, splitLine: { show: true, lineStyle: { color: color("line") } } }),
      tooltip: { ...base(element).tooltip, trigger: "axis", formatter: ([one]) => `${one.value[1]} % of simulated outages are at most ${seconds(one.value[0])}` },
      series: [{
        type: "line", data: curve, showSymbol: false, lineStyle: { color: color("node-0"), width: 2 }, itemStyle: { color: color("node-0") },
        areaStyle: { color: color("node-0"), opacity: 0.12 },
        markLine: {
          silent: true, symbol: "none", lineStyle: { color: color("ink"), type: "dashed" },
          data: [mark(measured, "measured " + seconds(measured), "end"), mark(worst, "bound", "insideEndTop")],
        },
      }],
    };
  }
  if (data.distribution) keep("distribution", distributionOptions);
})();
