import Foundation
import ParticleIO
import Report

/// What `kindred scale` writes and prints: the measured runs beside the model's line.
public struct ScalingReport: Sendable {
  /// The measured runs.
  public let study: ScalingStudy
  /// Empty where the model does not cover the runs.
  public let line: [ModelPoint]
  /// What the line's constants are.
  public let machineName: String

  /// The model, scaled to the base run's time.
  public struct ModelPoint: Codable, Sendable, Equatable {
    /// Cores at this point of the line.
    public var cores: Int
    /// Images at this point.
    public var images: Int
    /// Wall time, in seconds.
    public var seconds: Double
    /// The efficiency times the number of cores.
    public var speedUp: Double
    /// What a core gets done, over what it gets done in the base run.
    public var efficiency: Double
  }

  /// The model's line goes to so many ranks.
  public static let largestRanks = 4096

  /// Brings the runs and the model's line together.
  public init(_ study: ScalingStudy, model: CostModel) {
    self.study = study
    machineName = model.machine.name
    line = Self.line(study, model: model)
  }

  /// The model's speed-ups at powers of two and at the runs' cores, from the base run on; where images grow,
  /// those of the runs between, and beyond the last as they did from the first to it.
  private static func line(_ study: ScalingStudy, model: CostModel) -> [ModelPoint] {
    let base = study.base
    guard let job = try? PlannedJob(base.record, file: base.folder) else { return [] }
    let threads = base.record.threads
    var model = model
    model.ranksPerNode =
      study.runs.map { $0.record.ranks / max(1, Set($0.record.hosts).count) }.max() ?? 1
    let last = study.runs[study.runs.count - 1]
    // images ~ cores^growth
    let growth =
      last.cores > base.cores && study.kind == .weak
      ? log(Double(last.images) / Double(base.images))
        / log(Double(last.cores) / Double(base.cores)) : 0
    func seconds(cores: Int, images: Int) -> Double? {
      var job = job
      job.images = images
      job.averages = job.averages == base.images ? images : min(job.averages, images)
      let ranks = max(1, cores / threads)
      return try? Plan(
        job, model: model, ranks: ranks, threads: threads, nodes: model.nodes(ranks)
      ).seconds
    }
    guard let start = seconds(cores: base.cores, images: base.images) else { return [] }
    var counts = Set(study.runs.map(\.cores))
    var cores = base.cores
    while cores <= largestRanks * threads {
      counts.insert(cores)
      cores *= 2
    }
    return counts.sorted().compactMap { cores in
      let ratio = Double(cores) / Double(base.cores)
      let images =
        study.runs.first { $0.cores == cores }?.images
        ?? Int((Double(base.images) * pow(ratio, growth)).rounded())
      guard let time = seconds(cores: cores, images: images) else { return nil }
      let efficiency = study.kind == .strong ? start / time / ratio : start / time
      return ModelPoint(
        cores: cores, images: images, seconds: base.seconds * (time / start),
        speedUp: efficiency * Double(cores), efficiency: efficiency)
    }
  }

  /// The table as lines for people. Ends with a newline.
  public var text: String {
    let areRepeated = study.repeats.contains { $0.runs.count > 1 }
    let rows = study.repeats.map { repeats -> [String] in
      let run = repeats.median
      let model = line.first { $0.cores == run.cores }
      return [
        "\(run.ranks)", "\(run.record.threads)", Format.count(run.images),
        Format.duration(run.seconds), Format.fixed(study.speedUp(run), 2),
        Format.percent(study.efficiency(run)),
        model.map { Format.percent($0.efficiency) } ?? "", Format.percent(run.communicationShare),
        run.ranks > 1 ? Format.percent(run.rootSeconds / run.seconds) : "",
        Format.duration(run.processorSeconds),
      ]
        + (areRepeated
          ? [
            "\(repeats.runs.count)", Format.duration(repeats.spread.lowerBound),
            Format.duration(repeats.spread.upperBound),
          ] : [])
    }
    let table = TextTable(
      header: [
        "Ranks", "Threads", "Images", "Time", "Speed-up", "Efficiency", "Model", "Communication",
        "Rank 0 alone", "Processor",
      ] + (areRepeated ? ["Runs", "Least", "Largest"] : []), rows: rows)
    return "\(study.kind == .strong ? "Strong" : "Weak") scaling\n" + table.text
  }

  /// One line for each stage of each median run, and one for the run: `total`. With a header.
  public var csv: String {
    var lines = [
      "ranks,threads,images,stage,seconds,maximum_seconds,processor_seconds,communication_share,"
        + "imbalance,messages,message_bytes,speed_up,efficiency,model_seconds,runs,least_seconds,largest_seconds"
    ]
    func number(_ value: Double) -> String { String(format: "%.6g", value) }
    for repeats in study.repeats {
      let run = repeats.median
      let head = "\(run.ranks),\(run.record.threads),\(run.images)"
      for stage in run.record.stages {
        lines.append(
          "\(head),\(stage.name),\(number(stage.meanSeconds)),\(number(stage.maximumSeconds)),"
            + "\(number(stage.processorSeconds)),\(number(stage.communicationShare)),"
            + "\(number(stage.imbalance)),\(stage.messages),\(stage.messageBytes),,,,,,")
      }
      let stages = run.record.stages
      let model = line.first { $0.cores == run.cores }.map { number($0.seconds) } ?? ""
      lines.append(
        "\(head),total,\(number(run.seconds)),,\(number(run.processorSeconds)),"
          + "\(number(run.communicationShare)),,\(stages.reduce(0) { $0 + $1.messages }),"
          + "\(stages.reduce(0) { $0 + $1.messageBytes }),\(number(study.speedUp(run))),"
          + "\(number(study.efficiency(run))),\(model),\(repeats.runs.count),"
          + "\(number(repeats.spread.lowerBound)),\(number(repeats.spread.upperBound))")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Everything as one JSON document, keys sorted and with underscores, a newline at the end.
  public func json() throws -> String {
    struct Entry: Codable {
      let folder: String
      let ranks: Int
      let threads: Int
      let images: Int
      let seconds: Double
      let processorSeconds: Double
      let speedUp: Double
      let efficiency: Double
      let communicationShare: Double
      let rootSeconds: Double
      let runs: Int
      let leastSeconds: Double
      let largestSeconds: Double
      let stages: [StageSummary]
    }
    struct Document: Codable {
      let kind: ScalingStudy.Kind
      let runs: [Entry]
      let model: [ModelPoint]
      let modelConstants: String
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let document = Document(
      kind: study.kind,
      runs: study.repeats.map {
        let run = $0.median
        return Entry(
          folder: run.folder, ranks: run.ranks, threads: run.record.threads, images: run.images,
          seconds: run.seconds, processorSeconds: run.processorSeconds,
          speedUp: study.speedUp(run), efficiency: study.efficiency(run),
          communicationShare: run.communicationShare, rootSeconds: run.rootSeconds,
          runs: $0.runs.count, leastSeconds: $0.spread.lowerBound,
          largestSeconds: $0.spread.upperBound, stages: run.record.stages)
      }, model: line, modelConstants: machineName)
    return String(decoding: try encoder.encode(document), as: UTF8.self) + "\n"
  }

  /// Writes scaling.csv, scaling.json and scaling.svg to `folder`, each under a temporary name first.
  /// - Throws: `OutputError`.
  public func write(to folder: String) throws {
    for (name, content) in [
      ("scaling.csv", csv), ("scaling.json", try json()), ("scaling.svg", ScalingFigure(self).svg),
    ] {
      let file = try OutputFile(path: "\(folder)/\(name)")
      try file.append(content)
      try file.finish()
    }
  }
}
