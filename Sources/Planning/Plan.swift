import Foundation

/// A prediction of time, memory and traffic of a job on some ranks, and how many ranks pay.
public struct Plan: Sendable {
  /// What is to be done.
  public let job: PlannedJob
  /// What predicts its cost.
  public let model: CostModel
  /// The number of ranks.
  public let ranks: Int
  /// Threads of each rank.
  public let threads: Int
  /// The nodes that the ranks are spread over.
  public let nodes: Int
  /// What each stage costs.
  public let stages: [CostModel.Stage]

  /// - Throws: `PlanError` for more ranks than images.
  public init(
    _ job: PlannedJob, model: CostModel, ranks: Int, threads: Int = 1, nodes: Int = 1
  ) throws {
    if ranks > job.images {
      throw PlanError("\(ranks) ranks for \(job.images) images: at most one rank for each image")
    }
    self.nodes = min(nodes, ranks)
    var model = model
    model.ranksPerNode = (ranks + self.nodes - 1) / self.nodes
    (self.job, self.model, self.ranks, self.threads) = (job, model, ranks, threads)
    stages = model.stages(job, ranks: ranks, threads: threads)
  }

  /// Ranks times threads.
  public var cores: Int { ranks * threads }

  /// Wall time of the run, in seconds.
  public var seconds: Double { stages.reduce(0) { $0 + $1.seconds(ranks: ranks) } }

  /// The part of the wall time that goes into communication, 0 to 1.
  public var communicationShare: Double {
    stages.reduce(0) { $0 + $1.communication } / seconds
  }

  /// The part of the wall time in which rank 0 works alone, 0 to 1.
  public var rootShare: Double { stages.reduce(0) { $0 + $1.root } / seconds }

  /// The largest memory of a rank, in bytes.
  public var memory: Double { stages.map(\.memory).max() ?? 0 }

  /// The largest memory of a node, in bytes: that of its ranks, what they have in common once.
  public var nodeMemory: Double {
    let others = Double(model.ranksPerNode - 1)
    return stages.map { $0.memory + others * ($0.memory - $0.commonMemory) }.max() ?? 0
  }

  /// One core's time over this time, for each core: 1 is ideal.
  public var efficiency: Double {
    let alone = model.stages(job, ranks: 1).reduce(0) { $0 + $1.seconds(ranks: 1) }
    return alone / seconds / Double(cores)
  }

  /// Cores that do less than this share of what one core alone does are better given to another job.
  public static let payingEfficiency = 0.5

  /// The largest number of ranks, of so many threads each, that works at `payingEfficiency` or better.
  /// - Parameters:
  ///   - job: what is to be done.
  ///   - model: says how many ranks a node has.
  ///   - threads: of each rank.
  public static func payingRanks(_ job: PlannedJob, model: CostModel, threads: Int = 1) -> Int {
    func pays(_ ranks: Int) -> Bool {
      guard
        let plan = try? Plan(
          job, model: model, ranks: ranks, threads: threads, nodes: model.nodes(ranks))
      else {
        return false
      }
      return plan.efficiency >= payingEfficiency
    }
    var low = 1
    while low < 1 << 22, pays(2 * low) { low *= 2 }
    var high = 2 * low
    while high - low > max(1, low / 32) {
      let middle = (low + high) / 2
      if pays(middle) { low = middle } else { high = middle }
    }
    return low
  }

  /// The fastest way to share the cores of some nodes among ranks and threads that fits their memory; nil
  /// where none fits. Of ways that are equal within 2 % the one with fewer threads.
  /// - Parameters:
  ///   - job: what is to be done.
  ///   - model: what predicts its cost.
  ///   - nodes: how many there are.
  ///   - coresPerNode: cores that each has.
  ///   - memoryPerNode: bytes that a node has; nil for no limit.
  public static func best(
    _ job: PlannedJob, model: CostModel, nodes: Int, coresPerNode: Int, memoryPerNode: Double?
  ) -> Plan? {
    var best: Plan?
    for threads in 1...max(1, coresPerNode) where coresPerNode % threads == 0 {
      let ranks = nodes * (coresPerNode / threads)
      guard
        let plan = try? Plan(job, model: model, ranks: ranks, threads: threads, nodes: nodes)
      else { continue }
      if let memoryPerNode, plan.nodeMemory > memoryPerNode { continue }
      if best.map({ plan.seconds < 0.98 * $0.seconds }) ?? true { best = plan }
    }
    return best
  }
}
