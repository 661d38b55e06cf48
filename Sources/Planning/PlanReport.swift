import Foundation
import Report

/// What `kindred plan` prints.
public struct PlanReport: Sendable {
  /// The job on the ranks that were asked for.
  public let plan: Plan
  /// The fastest way that fits the nodes; nil where the cores of a node are not known, or none fits.
  public let best: Plan?
  /// Cores of a node; nil where they are not known.
  public let coresPerNode: Int?
  /// Bytes.
  public let memoryPerNode: Double?
  /// The largest number of ranks that pay (`Plan.payingRanks`).
  public let payingRanks: Int

  /// - Parameters:
  ///   - plan: the job on the ranks that were asked for.
  ///   - coresPerNode: nil where it is not known: no advice on ranks and threads then.
  ///   - memoryPerNode: bytes; nil for no limit.
  public init(_ plan: Plan, coresPerNode: Int?, memoryPerNode: Double?) {
    self.plan = plan
    self.coresPerNode = coresPerNode
    self.memoryPerNode = memoryPerNode
    payingRanks = Plan.payingRanks(plan.job, model: plan.model, threads: plan.threads)
    best = coresPerNode.flatMap {
      Plan.best(
        plan.job, model: plan.model, nodes: plan.nodes, coresPerNode: $0,
        memoryPerNode: memoryPerNode)
    }
  }

  /// The table and the advice as lines for people. Ends with a newline.
  public var text: String {
    let job = plan.job
    var lines = [
      "\(Format.count(job.images)) images of \(job.box) x \(job.box) pixels: "
        + "\(job.componentCount) of \(job.basisCount) coefficients, \(job.groups) defocus groups, "
        + "\(job.neighbours) neighbours "
        + (job.search == .landmarks ? "by reference classes" : "over all pairs")
        + ", \(job.passes) \(job.passes == 1 ? "pass" : "passes")"
        + (job.roundsInForce == 0
          ? "" : ", \(job.roundsInForce) \(job.roundsInForce == 1 ? "round" : "rounds")"),
      "\(plan.ranks) \(plan.ranks == 1 ? "rank" : "ranks") of \(plan.threads) "
        + "\(plan.threads == 1 ? "thread" : "threads") on \(plan.nodes) "
        + "\(plan.nodes == 1 ? "node" : "nodes"); \(plan.model.machine.name)",
    ]
    func row(
      _ name: String, _ seconds: Double, _ communication: Double, _ root: Double, _ memory: Double,
      _ messages: Double, _ bytes: Double
    ) -> [String] {
      [
        name, Format.duration(seconds),
        Format.percent(plan.seconds > 0 ? seconds / plan.seconds : 0),
        Format.percent(seconds > 0 ? communication / seconds : 0),
        Format.percent(seconds > 0 ? root / seconds : 0),
        mebibytes(memory), Format.count(Int(messages.rounded())), mebibytes(bytes),
      ]
    }
    var rows = plan.stages.map {
      row(
        $0.name, $0.seconds(ranks: plan.ranks), $0.communication, $0.root, $0.memory, $0.messages,
        $0.bytes)
    }
    rows.append(
      row(
        "Total", plan.seconds, plan.communicationShare * plan.seconds,
        plan.rootShare * plan.seconds, plan.memory,
        plan.stages.reduce(0) { $0 + $1.messages }, plan.stages.reduce(0) { $0 + $1.bytes }))
    let table = TextTable(
      header: [
        "Stage", "Time", "Share", "Communication", "Rank 0 alone", "MiB a rank", "Messages",
        "MiB sent",
      ], rows: rows, startsWithWords: true)
    lines.append(table.text.trimmingCharacters(in: .newlines))
    lines += advice
    return lines.joined(separator: "\n") + "\n"
  }

  /// One sentence each on efficiency, memory, and ranks and threads.
  var advice: [String] {
    var lines = [
      "Efficiency \(Format.percent(plan.efficiency)) of one core's. Beyond about "
        + "\(Format.count(payingRanks)) \(payingRanks == 1 ? "rank" : "ranks") of \(plan.threads) "
        + "\(plan.threads == 1 ? "thread" : "threads") it falls below "
        + "\(Format.percent(Plan.payingEfficiency)): more do not pay."
    ]
    if let memoryPerNode, plan.nodeMemory > memoryPerNode {
      lines.append(
        "A node needs \(mebibytes(plan.nodeMemory)) MiB and has \(mebibytes(memoryPerNode)): take more "
          + "nodes, or fewer ranks with more threads.")
    }
    if let best {
      lines.append(
        "Fastest on \(plan.nodes == 1 ? "this node" : "these \(plan.nodes) nodes") of \(coresPerNode!) "
          + "cores: \(best.ranks) x \(best.threads) (ranks x threads), "
          + "\(Format.duration(best.seconds)), \(mebibytes(best.nodeMemory)) MiB a node.")
    } else if coresPerNode != nil {
      lines.append("No number of ranks and threads fits the nodes' memory: take more nodes.")
    }
    return lines
  }

  /// Everything as one JSON document, keys sorted and with underscores, a newline at the end.
  public func json() throws -> String {
    struct Entry: Codable {
      let name: String
      let seconds: Double
      let communicationSeconds: Double
      let rootSeconds: Double
      let processorSeconds: Double
      let rankPeakBytes: Double
      let messages: Double
      let messageBytes: Double
    }
    struct Shape: Codable {
      let ranks: Int
      let threads: Int
      let seconds: Double
      let nodeBytes: Double
    }
    struct Document: Codable {
      let images: Int
      let box: Int
      let components: Int
      let search: String
      let passes: Int
      let rounds: Int
      let ranks: Int
      let threads: Int
      let nodes: Int
      let seconds: Double
      let efficiency: Double
      let communicationShare: Double
      let rootShare: Double
      let rankPeakBytes: Double
      let payingRanks: Int
      let best: Shape?
      let stages: [Entry]
      let constants: String
    }
    let document = Document(
      images: plan.job.images, box: plan.job.box, components: plan.job.componentCount,
      search: plan.job.search.rawValue, passes: plan.job.passes, rounds: plan.job.roundsInForce,
      ranks: plan.ranks,
      threads: plan.threads, nodes: plan.nodes,
      seconds: plan.seconds, efficiency: plan.efficiency,
      communicationShare: plan.communicationShare, rootShare: plan.rootShare,
      rankPeakBytes: plan.memory, payingRanks: payingRanks,
      best: best.map {
        Shape(
          ranks: $0.ranks, threads: $0.threads, seconds: $0.seconds, nodeBytes: $0.nodeMemory)
      },
      stages: plan.stages.map {
        Entry(
          name: $0.name, seconds: $0.seconds(ranks: plan.ranks),
          communicationSeconds: $0.communication, rootSeconds: $0.root,
          processorSeconds: $0.shared + Double(plan.ranks) * $0.repeated + $0.root,
          rankPeakBytes: $0.memory, messages: $0.messages, messageBytes: $0.bytes)
      }, constants: plan.model.machine.name)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(document), as: UTF8.self) + "\n"
  }

  private func mebibytes(_ bytes: Double) -> String {
    Format.count(Int((bytes / 1_048_576).rounded()))
  }
}
