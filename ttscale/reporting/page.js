(function () {
  "use strict";
  if (!window.Plotly) return;
  var dark = window.matchMedia("(prefers-color-scheme: dark)"), small = window.matchMedia("(max-width: 40rem)");
  var touch = window.matchMedia("(pointer: coarse)");
  Array.prototype.forEach.call(document.querySelectorAll("figure.interactive"), show);

  function show(figure) {
    var live = figure.querySelector(".live"), box = figure.querySelector(".plot");
    var spec = JSON.parse(figure.querySelector(".plot-data").textContent);
    var boxes = Array.prototype.slice.call(live.querySelectorAll("input"));
    var config = {displaylogo: false, responsive: true, modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
                  displayModeBar: touch.matches ? false : "hover", toImageButtonOptions: {format: "svg", filename: "accuracy_vs_flops"}};

    function css(role) { return getComputedStyle(figure).getPropertyValue("--" + role).trim(); }

    function shown(meta) {
      return boxes.every(function (input) {
        var value = meta[input.dataset.what];
        return input.checked || value !== input.value;
      });
    }

    // One band a size: that of its last line in view.
    function lastShown(meta) {
      var last = "";
      spec.data.forEach(function (other) {
        if (other.meta.part === "line" && other.meta.group === meta.group && shown(other.meta)) last = other.meta.kind;
      });
      return last;
    }

    function coloured(trace) {
      var t = JSON.parse(JSON.stringify(trace)), c = css(t.meta.role);
      t.visible = shown(t.meta) && (t.meta.part !== "band" || t.meta.kind === lastShown(t.meta));
      if (t.meta.part === "band") { t.fillcolor = c; return t; }
      if (t.line) t.line.color = c;
      if (t.error_y) t.error_y.color = c;
      var own = t.meta.roles ? t.meta.roles.map(css) : c;
      if (t.marker) {
        var hollow = t.meta.part === "rival";
        t.marker.color = hollow ? css("surface") : own;
        if (t.marker.line) t.marker.line.color = hollow ? own : t.meta.part === "plan" ? css("surface") : c;
      }
      if (t.textfont) t.textfont.color = own;
      return t;
    }

    function layout() {
      var l = JSON.parse(JSON.stringify(spec.layout)), ink = css("ink"), muted = css("muted"), family = getComputedStyle(document.body).fontFamily;
      l.font.color = ink; l.font.family = family;
      l.hoverlabel.bgcolor = css("surface"); l.hoverlabel.bordercolor = muted; l.hoverlabel.font = {color: ink, family: family};
      [l.xaxis, l.yaxis].forEach(function (axis) {
        axis.gridcolor = css("grid"); axis.tickfont.color = muted; if (axis.title) axis.title.font.color = muted; axis.tickcolor = muted; axis.linecolor = muted;
        axis.fixedrange = touch.matches;
      });
      l.annotations[0].font.color = muted;
      l.modebar.color = muted; l.modebar.activecolor = ink;
      if (small.matches) { l.margin = {l: 44, r: 8, t: 28, b: 48}; l.font.size = 12; }
      if (touch.matches) l.dragmode = false;
      return l;
    }

    function draw() { return window.Plotly.react(box, spec.data.map(coloured), layout(), config); }

    live.hidden = false;
    draw().then(function () { figure.classList.add("drawn"); window.Plotly.Plots.resize(box); },
                function () { live.hidden = true; });
    boxes.forEach(function (input) { input.addEventListener("change", draw); });
    [dark, small].forEach(function (query) { query.addEventListener("change", draw); });
  }
})();
