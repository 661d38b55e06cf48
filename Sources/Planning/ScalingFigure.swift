import ClassAveraging
import Report

/// The picture of a scaling experiment: speed-up, efficiency and the stages' communication over the cores.
struct ScalingFigure {
  private let report: ScalingReport
  private let study: ScalingStudy

  /// Stages beyond these, the ones with most communication, are not drawn.
  private static let stageLimit = 8

  init(_ report: ScalingReport) {
    self.report = report
    study = report.study
  }

  /// The document.
  var svg: String {
    let panel = SIMD2(860.0, 340.0)
    let charts = [speedUp, efficiency, communication]
    let foot = panel.y * Double(charts.count)
    var picture = SVGPicture(
      width: panel.x, height: foot + 12 + 16 * Double(caption.count))
    for (at, chart) in charts.enumerated() {
      chart.draw(into: &picture, corner: SIMD2(10, 10 + panel.y * Double(at)), size: panel)
    }
    for (at, line) in caption.enumerated() {
      picture.write(line, at: SIMD2(75, foot + 18 + 16 * Double(at)), size: 11)
    }
    return picture.document
  }

  /// What was run, and what the dashed line is.
  private var caption: [String] {
    let (base, last) = (study.base, study.runs[study.runs.count - 1])
    let size = base.record.boxSize.map { " of \($0) × \($0) pixels" } ?? ""
    let images =
      Format.count(base.images) + (study.kind == .weak ? " to \(Format.count(last.images))" : "")
    var lines = [
      "\(images) images\(size). The run on the fewest cores (\(base.cores)) took "
        + "\(Format.duration(base.seconds)); the others are compared with it."
    ]
    guard let end = report.line.last else {
      return lines + ["No model: it is of searches over all pairs and by reference classes."]
    }
    lines.append("Model through the first run, with \(report.machineName).")
    if end.cores < ScalingReport.largestRanks * base.record.threads {
      lines.append(
        "It ends at \(Format.count(end.cores)) cores: a rank has one image at least.")
    }
    return lines
  }

  private var cores: ChartAxis {
    ChartAxis(
      "Cores (ranks × threads)", scale: .binary,
      holding: study.runs.map { Double($0.cores) } + report.line.map { Double($0.cores) })
  }

  private func measured(_ value: (ScalingStudy.Run) -> Double) -> [SIMD2<Double>] {
    study.runs.map { SIMD2(Double($0.cores), value($0)) }
  }

  private func modelled(_ value: (ScalingReport.ModelPoint) -> Double) -> [SIMD2<Double>] {
    report.line.map { SIMD2(Double($0.cores), value($0)) }
  }

  private func series(
    _ runs: [SIMD2<Double>], _ model: [SIMD2<Double>], ideal: [SIMD2<Double>]
  ) -> [LineChart.Series] {
    [
      .init("ideal", style: .line, colour: "#bbbbbb", values: ideal),
      .init("model", style: .dashed, colour: LineChart.colours[1], values: model),
      .init("measured", style: .points, colour: LineChart.colours[0], values: runs),
    ].filter { !$0.values.isEmpty }
  }

  private var speedUp: LineChart {
    let runs = measured(study.speedUp)
    let model = modelled(\.speedUp)
    let ideal = [cores.range.lowerBound, cores.range.upperBound].map { SIMD2($0, $0) }
    let title = study.kind == .strong ? "Strong scaling: speed-up" : "Weak scaling: scaled speed-up"
    return LineChart(
      title: title, x: cores,
      y: ChartAxis(
        "Speed-up", scale: .binary, holding: runs.map(\.y) + model.map(\.y) + ideal.map(\.y)),
      series: series(runs, model, ideal: ideal))
  }

  private var efficiency: LineChart {
    let runs = measured(study.efficiency)
    let model = modelled(\.efficiency)
    let ideal = [cores.range.lowerBound, cores.range.upperBound].map { SIMD2($0, 1) }
    return LineChart(
      title: "Efficiency", x: cores,
      y: ChartAxis(
        "Efficiency", scale: .linear, holding: runs.map(\.y) + model.map(\.y) + [1], isPercent: true
      ),
      series: series(runs, model, ideal: ideal))
  }

  /// The share of each stage's time that is communication or waiting, and of the whole run's.
  private var communication: LineChart {
    var names: [String] = []
    for run in study.runs {
      for stage in run.record.stages where !names.contains(stage.name) { names.append(stage.name) }
    }
    func values(_ name: String) -> [SIMD2<Double>] {
      study.runs.compactMap { run in
        run.record.stages.first { $0.name == name }.map {
          SIMD2(Double(run.cores), $0.communicationShare)
        }
      }
    }
    func seconds(_ name: String) -> Double {
      study.runs.reduce(0) { sum, run in
        sum
          + (run.record.stages.first { $0.name == name }.map {
            $0.meanSeconds * $0.communicationShare
          } ?? 0)
      }
    }
    let shown = Set(names.sorted { seconds($0) > seconds($1) }.prefix(Self.stageLimit))
    let whole = measured(\.communicationShare)
    let black = "#000000"
    let colours = LineChart.colours.filter { $0 != black }
    let series =
      [LineChart.Series("whole run", style: .points, colour: black, values: whole)]
      + names.filter(shown.contains).enumerated().map { at, name in
        .init(
          name, style: .points, colour: colours[at % colours.count],
          values: values(name))
      }
    let axis = ChartAxis("Cores (ranks × threads)", scale: .binary, holding: whole.map(\.x))
    return LineChart(
      title: "Communication and waiting, share of each stage's time", x: axis,
      y: ChartAxis(
        "Share of time", scale: .linear, holding: series.flatMap { $0.values.map(\.y) },
        isPercent: true),
      series: series)
  }
}
