import Foundation
import LinearAlgebra
import MPI

/// Neighbours without comparing all pairs: exact comparison with the classes of a sample of the images, the
/// landmarks, proposes candidates, which are then compared exactly. Work grows linearly with the images.
struct LandmarkSearch {
  let options: AverageOptions
  let posterior: PosteriorModel
  let scoring: SuspectScoring
  let comm: Communicator
  let observer: any StageObserver

  static func env(_ n: String, _ d: Double) -> Double {
    ProcessInfo.processInfo.environment[n].flatMap(Double.init) ?? d
  }

  func dump(_ name: String, _ values: [Int32]) throws {
    guard let p = ProcessInfo.processInfo.environment["LM_DUMP"] else { return }
    let all = try comm.gatherRagged(values)
    if comm.isRoot {
      try all.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: p + name)) }
    }
  }

  func run(_ classes: LandmarkClasses) throws -> (NeighbourTable, [PassReport]) {
    let rows = scoring.rows
    let own = rows.partition.range(of: comm.rank)
    let images = rows.partition.total
    let limit = options.passes ?? (options.affinity == .bayes ? 6 : 1)
    let members = ClassPasses.members(images: images, neighbours: options.neighbours)
    let capacity = min(classes.images.count, Int(Self.env("LM_L", 20)))
    observer.stageBegan("landmarks", items: own.count * classes.images.count)
    let found = try LandmarkComparison(
      classes: classes, posterior: posterior, rows: rows, groups: scoring.groups,
      capacity: capacity, threads: options.model.threads, comm: comm, observer: observer
    ).run()
    observer.stageEnded()
    observer.stageBegan("candidates", items: own.count)
    // softmax
    var landmarks = found.landmarks
    var p = [Float](repeating: 0, count: landmarks.count)
    let temperature = Float(Self.env("LM_T", 1))
    let excludeOwn = Self.env("LM_OWN", 1) == 1
    for image in 0..<own.count {
      let range = image * capacity..<(image + 1) * capacity
      if excludeOwn {
        for e in range where landmarks[e] >= 0
          && classes.images[Int(landmarks[e])] == Int32(own.lowerBound + image)
        { landmarks[e] = -1 }
      }
      let top = range.filter { landmarks[$0] >= 0 }.map { found.scores[$0] }.max() ?? 0
      var sum: Float = 0
      for e in range where landmarks[e] >= 0 {
        p[e] = exp((found.scores[e] - top) / temperature)
        sum += p[e]
      }
      for e in range { p[e] /= max(sum, 1e-30) }
    }
    try dump("landmarks", landmarks)
    let allLandmarks = try comm.allgatherRagged(landmarks)
    let allP = try comm.allgatherRagged(p)
    var lists = WeightedLists(rows: classes.images.count) { add in
      for e in allLandmarks.indices where allLandmarks[e] >= 0 {
        add(Int(allLandmarks[e]), Int32(e / capacity), allP[e])
      }
    }
    lists.cut(to: Int(Self.env("LM_CAP", 4000)))
    let count = min(images - 1, Int(Self.env("LM_S", 100)))
    let threads = options.model.threads
    func candidates(_ range: Range<Int>) -> [Int32] {
      let acc = WeightedLists.Accumulator(columns: images)
      var result: [Int32] = []
      for image in range {
        let at = image - own.lowerBound
        for e in at * capacity..<(at + 1) * capacity where landmarks[e] >= 0 && p[e] > 0 {
          acc.add(lists, row: Int(landmarks[e]), weight: p[e])
        }
        acc.takeBest(count, excluding: Int32(image), into: &result)
      }
      return result
    }
    let mine = candidates(own)
    try dump("candidates", mine)
    observer.stageEnded()
    let kept = limit > 1 ? members : options.neighbours

    func scored(_ scoring: SuspectScoring) throws -> NeighbourTable {
      try scoring.best(of: count, neighboursPerImage: kept) { range in
        Array(mine[(range.lowerBound - own.lowerBound) * count..<(range.upperBound - own.lowerBound) * count])
      }
    }
    var passes = ClassPasses(
      posterior: posterior, rows: rows, groups: scoring.groups, members: members,
      neighbours: options.neighbours, limit: limit, isAutomatic: options.passes == nil,
      threads: threads, comm: comm, observer: observer)

    observer.stageBegan("affinity", items: own.count * count)
    var table: NeighbourTable
    if Self.env("LM_MODE", 0) == 0 {
      table = try scored(scoring)
    } else {
      let (classRows, common) = try imageClasses(classes, landmarks, p, capacity, passes)
      let model = try PairModel(
        layout: posterior.layout, information: [common], affinity: .bayes,
        correlation: Self.env("LM_C", 0.9))
      table = try scored(
        SuspectScoring(
          model: model, rows: classRows, groups: .init(repeating: 0, count: images),
          threads: threads, comm: comm, observer: observer))
    }
    observer.stageEnded()
    try dump("table1", Array(table.indices[own.lowerBound * kept..<own.upperBound * kept]))
    let steps = Int(Self.env("LM_TABLE", 20))
    let keepAll = Self.env("LM_KEEPCAND", 0) == 1
    passes.searchAmong = { [passes] classRows, model, before in
      let k = before.neighboursPerImage
      let odds = passes.priorLogOdds
      func weight(_ e: Int) -> Float { Float(1 / (1 + exp(odds - Double(before.affinities[e])))) + 1e-6 }
      let graph = WeightedLists(rows: images) { add in
        for image in 0..<images {
          add(image, Int32(image), 1)
        }
        for image in 0..<images {
          for e in image * k..<image * k + min(k, steps) where before.indices[e] >= 0 {
            add(image, before.indices[e], weight(e))
            add(Int(before.indices[e]), Int32(image), weight(e))
          }
        }
      }
      let acc = WeightedLists.Accumulator(columns: images)
      let one = [Int32](repeating: 0, count: images)
      return try SuspectScoring(
        model: model, rows: classRows, groups: one, threads: threads, comm: comm,
        observer: observer
      ).best(of: count, neighboursPerImage: members) { range in
        var result: [Int32] = []
        for image in range {
          if keepAll { for e in (image - own.lowerBound) * count..<(image - own.lowerBound + 1) * count where mine[e] >= 0 { acc.add(graph, row: Int(mine[e]), weight: 1e-5) } }
          for e in graph.offsets[image]..<graph.offsets[image + 1] {
            acc.add(graph, row: Int(graph.columns[e]), weight: graph.weights[e])
          }
          acc.takeBest(count, excluding: Int32(image), into: &result)
        }
        return result
      }
    }
    let result = try passes.run(table)
    return (result.table.prefix(options.neighbours), result.reports)
  }

  /// Classes of images from their landmarks.
  private func imageClasses(
    _ classes: LandmarkClasses, _ landmarks: [Int32], _ p: [Float], _ capacity: Int,
    _ passes: ClassPasses
  ) throws -> (DistributedRows, [Matrix]) {
    let rows = scoring.rows
    let own = rows.partition.range(of: comm.rank)
    let width = rows.width
    let information = posterior.information + [classes.information]
    let model = try PairModel(
      layout: posterior.layout, information: information, affinity: .bayes,
      correlation: classes.correlation)
    let w = Self.env("LM_W", 0.5)
    var common = passes.information(weight: 1)
    for block in common.indices { common[block] += w * classes.information[block] }
    let scorer = PairScorer(model: model)
    var weighted = [Float](repeating: 0, count: width)
    let g0 = posterior.groupCount
    var values: [Float] = []
    for image in 0..<own.count {
      let group = Int(scoring.groups[own.lowerBound + image])
      var state = ClassPosterior(layout: posterior.layout, information: information)
      try rows.local.withUnsafeBufferPointer { local in
        try classes.statistics.withUnsafeBufferPointer { statistics in
          let b = local.baseAddress! + image * width
          state.add(b, group: group, rotation: 0, reflected: false)
          model.weighted(b, groups: group, g0, into: &weighted)
          for e in image * capacity..<(image + 1) * capacity where landmarks[e] >= 0 && p[e] > 0.001 {
            let c = statistics.baseAddress! + Int(landmarks[e]) * width
            scorer.add(weighted: weighted, second: c, offset: 0)
            scorer.flush { _, score in
              state.add(
                c, group: g0, rotation: score.rotation, reflected: score.reflected == 1,
                weight: w * Double(p[e]))
            }
          }
          values += try state.mean()
        }
      }
      passes.restate(&values, row: image, under: common)
    }
    return (DistributedRows(values, width: width, partition: rows.partition, on: comm), common)
  }
}

/// An observer of stages that are part of something: their names say of what.
final class PrefixedObserver: StageObserver {
  private let prefix: String
  private let observer: any StageObserver

  init(_ prefix: String, _ observer: any StageObserver) {
    self.prefix = prefix
    self.observer = observer
  }

  func stageBegan(_ name: String, items: Int) {
    observer.stageBegan("\(prefix) \(name)", items: items)
  }
  func stageAdvanced(to done: Int) { observer.stageAdvanced(to: done) }
  func communicating<R>(_ body: () throws -> R) rethrows -> R {
    try observer.communicating(body)
  }
  func stageEnded() { observer.stageEnded() }
}
