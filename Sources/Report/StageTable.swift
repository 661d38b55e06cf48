/// What one stage of a run cost, over all ranks.
public struct StageSummary: Codable, Sendable, Hashable {
  /// The stage's name.
  public var name: String
  /// Wall time in seconds: mean and maximum over the ranks.
  public var meanSeconds: Double
  /// The maximum of it.
  public var maximumSeconds: Double
  /// The stage's part of the mean time of all stages, 0 to 1.
  public var share: Double
  /// Maximum over mean of the ranks' working time (wall time less communication), minus 1. The wall
  /// times themselves hide it: ranks wait for the slowest inside the stage.
  public var imbalance: Double
  /// The part of the ranks' wall time spent in communication or waiting, 0 to 1.
  public var communicationShare: Double
  /// The largest memory of any rank during the stage, in bytes.
  public var peakBytes: Int
  /// The largest memory of each rank during the stage, in bytes.
  public var rankPeakBytes: [Int] = []
  /// The processor time of each rank's work, all its threads together, in seconds: without communication
  /// and waiting, and without what other programs on the same processors take.
  public var rankProcessorSeconds: [Double] = []
  /// Calls of MPI that sent something, over all ranks; see `Traffic`.
  public var messages = 0
  /// Bytes that the ranks handed to MPI, over all ranks.
  public var messageBytes = 0

  /// The processor time of the work of all ranks.
  public var processorSeconds: Double { rankProcessorSeconds.reduce(0, +) }

  enum CodingKeys: String, CodingKey {
    case name
    case meanSeconds = "mean_seconds"
    case maximumSeconds = "maximum_seconds"
    case share
    case imbalance
    case communicationShare = "communication_share"
    case peakBytes = "peak_bytes"
    case rankPeakBytes = "rank_peak_bytes"
    case rankProcessorSeconds = "rank_processor_seconds"
    case messages
    case messageBytes = "message_bytes"
  }
}

/// What the stages of a run cost, over all ranks.
public struct StageTable: Codable, Sendable, Hashable {
  /// The number of ranks.
  public var ranks: Int
  /// The stages, in the order in which they began.
  public var stages: [StageSummary]

  /// One rank's account of one stage, in seconds and bytes.
  struct Measurement {
    var wall: Double
    var communication: Double
    var peakBytes: Double
    /// Processor seconds of work.
    var processor = 0.0
    var messages = 0.0
    var messageBytes = 0.0
  }

  /// Sums up `measurements[rank][stage]`.
  init(names: [String], measurements: [[Measurement]]) {
    let ranks = Double(measurements.count)
    func mean(_ stage: Int, _ value: (Measurement) -> Double) -> Double {
      measurements.reduce(0) { $0 + value($1[stage]) } / ranks
    }
    func maximum(_ stage: Int, _ value: (Measurement) -> Double) -> Double {
      measurements.reduce(0) { max($0, value($1[stage])) }
    }
    let total = names.indices.reduce(0) { $0 + mean($1, \.wall) }
    self.ranks = measurements.count
    stages = names.indices.map { stage in
      let wall = mean(stage, \.wall)
      let work = { (m: Measurement) in max(0, m.wall - m.communication) }
      let meanWork = mean(stage, work)
      return StageSummary(
        name: names[stage], meanSeconds: wall, maximumSeconds: maximum(stage, \.wall),
        share: total > 0 ? wall / total : 0,
        imbalance: meanWork > 0 ? maximum(stage, work) / meanWork - 1 : 0,
        communicationShare: wall > 0 ? mean(stage, \.communication) / wall : 0,
        peakBytes: Int(maximum(stage, \.peakBytes)),
        rankPeakBytes: measurements.map { Int($0[stage].peakBytes) },
        rankProcessorSeconds: measurements.map { $0[stage].processor },
        messages: Int(measurements.reduce(0) { $0 + $1[stage].messages }),
        messageBytes: Int(measurements.reduce(0) { $0 + $1[stage].messageBytes }))
    }
  }

  /// The sum of the stages' mean times, in seconds.
  public var totalSeconds: Double { stages.reduce(0) { $0 + $1.meanSeconds } }

  /// The table as lines for people, and advice where ranks wait much. Ends with a newline.
  public var text: String {
    let header = [
      "Stage", "Mean", "Maximum", "Share", "Imbalance", "Communication", "Peak MiB",
    ]
    var rows = stages.map { stage in
      [
        stage.name, Format.duration(stage.meanSeconds), Format.duration(stage.maximumSeconds),
        Format.percent(stage.share), Format.percent(stage.imbalance),
        Format.percent(stage.communicationShare), mebibytes(stage.peakBytes),
      ]
    }
    let communication = stages.reduce(0) { $0 + $1.meanSeconds * $1.communicationShare }
    rows.append([
      "Total", Format.duration(totalSeconds), "", "", "",
      Format.percent(totalSeconds > 0 ? communication / totalSeconds : 0),
      mebibytes(stages.map(\.peakBytes).max() ?? 0),
    ])
    let widths = header.indices.map { column in
      ([header] + rows).map { $0[column].count }.max()!
    }
    func line(_ cells: [String]) -> String {
      cells.indices.map { column in
        column == 0
          ? Format.left(cells[column], widths[column]) : Format.right(cells[column], widths[column])
      }.joined(separator: "  ")
    }
    let rule = String(repeating: "-", count: widths.reduce(0, +) + 2 * (widths.count - 1))
    let lines =
      [line(header), rule] + rows.dropLast().map(line) + [rule, line(rows[rows.count - 1])] + advice
    return lines.joined(separator: "\n") + "\n"
  }

  /// At most one line on imbalance and one on communication, each about the stage that loses most.
  /// Stages under a twentieth of the whole time are not worth a word.
  var advice: [String] {
    let large = stages.filter { $0.share >= 0.05 }
    var lines: [String] = []
    func lost(_ stage: StageSummary) -> Double {
      stage.imbalance * stage.meanSeconds * (1 - stage.communicationShare)
    }
    if let worst = large.filter({ $0.imbalance > 0.1 }).max(by: { lost($0) < lost($1) }) {
      lines.append(
        "\(worst.name): the slowest rank works \(Format.percent(worst.imbalance)) longer than the "
          + "mean; see that no rank shares its processors and that the nodes are alike.")
    }
    if let worst = large.filter({ $0.communicationShare > 0.2 }).max(by: {
      $0.meanSeconds * $0.communicationShare < $1.meanSeconds * $1.communicationShare
    }) {
      lines.append(
        "\(worst.name): \(Format.percent(worst.communicationShare)) of the time goes into "
          + "communication and waiting; fewer ranks, each with more threads, may be faster.")
    }
    return lines
  }

  private func mebibytes(_ bytes: Int) -> String {
    Format.count(Int((Double(bytes) / 1_048_576).rounded()))
  }
}
