import Execution
import Foundation
import ImageModel
import MPI
import Resume

/// Compares every image of this rank with every reference class's class, exactly: the Bayes factor of image and
/// class being alike, over all rotations and both reflections (method E.5). Work grows with images x
/// reference classes, and no images travel.
struct ReferenceComparison {
  let classes: ReferenceClasses
  let posterior: PosteriorModel
  let rows: CoefficientStore
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  /// L, reference classes kept of each image.
  let capacity: Int
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver
  /// Images compared at a time by one thread: a block of work, between which the search may be saved and stopped.
  var chunk = ClassSize.comparedAtATime

  /// The part of a rank's images that any rank of its node may compare, whichever has time: more than the cores of
  /// a node differ by.
  private static let sharedPart = 0.25

  /// The best reference classes of this rank's images. An image's comparison with its own class says nothing: its
  /// own reference class is left out. Collective.
  /// - Parameters:
  ///   - done: pairs that the stage has compared before.
  ///   - parts: where the lists are saved, and go on from where there are some.
  ///   - isKept: whether all lists are saved in the end, for stages that follow.
  /// - Throws: `MPIError`; `Interruption`, on all ranks, where the run was asked to stop.
  func run(after done: Int = 0, parts: CheckpointParts? = nil, isKept: Bool = false) throws
    -> BestReferences
  {
    let own = rows.partition.range(of: comm.rank)
    let model = try classes.pairModel(posterior)
    // Reference classes are the columns: rows are weighted for the columns' group, which is one for all reference classes.
    let references = try referenceSide(model)
    var result = try SavedLists(
      BestReferences(images: own, capacity: capacity), naming: classes.images.count,
      of: rows.partition, parts: parts, on: comm)
    // Images of one group side by side.
    let order = result.missing.map { own.lowerBound + $0 }
      .sorted { (groups[$0], $0) < (groups[$1], $1) }
    var compared = own.count - order.count
    let pool = WorkerPool(threads: threads) { PairTile(model: model, isPruning: true) }
    try observer.stageAdvanced(to: done + compared * classes.images.count)
    let readable = rows.readable
    /// Compares blocks of images, at once; whether to go on.
    func compare(_ parts: some Collection<ArraySlice<Int>>) throws -> Bool {
      let blocks = parts.map {
        PairBlock(PairBlock.laneGroups(of: $0, groups: groups), of: readable, groups: groups)
      }
      for (block, lists) in zip(blocks, lists(of: blocks, references, model, pool)) {
        compared += enter(lists, of: block, into: &result)
      }
      try observer.stageAdvanced(to: done + compared * classes.images.count)
      return try result.goesOn()
    }
    let shared = rows.isSharedByNode ? Int(Double(order.count) * Self.sharedPart) : 0
    let (queue, nodes) = try observer.communicating {
      try nodeWork(batches(order.suffix(shared), of: min(chunk, PairTile.rowsPerTile)))
    }
    var left = batches(order.dropLast(shared), of: chunk)[...]
    var isGoingOn = true
    while isGoingOn && !left.isEmpty {
      isGoingOn = try compare(left.prefix(pool.count))
      left = left.dropFirst(pool.count)
    }
    while isGoingOn, case let next = queue.next(pool.count), !next.isEmpty {
      isGoingOn = try compare(next.map { nodes[$0] })
    }
    try observer.communicating {
      try result.handOver()
      try result.stopIfAgreed()
    }
    if isKept, parts != nil { try comm.agree { try result.save() } }
    return result.lists
  }

  /// Some images of each of the node's ranks, and what shares them out among these. Collective.
  private func nodeWork(_ own: [ArraySlice<Int>]) throws -> (NodeQueue, [ArraySlice<Int>]) {
    let node = try comm.splitByNode()
    let queue = try NodeQueue(rounds: 1, on: node)
    let images = try node.allgatherRagged(own.flatMap { $0.map { Int32($0) } }).map { Int($0) }
    var next = 0
    let all = try node.allgatherRagged(own.map(\.count)).map { count in
      defer { next += count }
      return images[next..<next + count]
    }
    queue.begin(all.count)
    return (queue, all)
  }

  private func batches(_ images: ArraySlice<Int>, of size: Int) -> [ArraySlice<Int>] {
    stride(from: images.startIndex, to: images.endIndex, by: size).map {
      images[$0..<min($0 + size, images.endIndex)]
    }
  }

  /// The best reference classes of the images of some blocks, a thread for each.
  private func lists(
    of blocks: [PairBlock], _ references: PairTile.Side, _ model: PairModel,
    _ pool: WorkerPool<PairTile>
  ) -> [BestCandidates] {
    pool.map(blocks.count) { [capacity] tile, at in
      let images = PairTile.Side(blocks[at], model: model)
      let lists = TileLists(
        rows: BestCandidates(rows: images.block.count, capacity: capacity + 1))
      let tiles = PairBlock.tiles(
        images.block.runs, in: 0..<images.block.count, length: PairTile.rowsPerTile)
      for rows in tiles {
        tile.compare(rows, of: images, with: references, isTriangle: false, lists: lists)
      }
      lists.rows.sort()
      return lists.rows
    }
  }

  /// Enters what was found for a block of images, without their own reference classes; how many images they are.
  private func enter(
    _ lists: BestCandidates, of block: PairBlock, into result: inout SavedLists<BestReferences>
  ) -> Int {
    var count = 0
    for row in 0..<block.count where block.index(row) >= 0 {
      let image = Int(block.index(row))
      var best = BestReferences(images: image..<image + 1, capacity: capacity)
      let others = (row * lists.capacity..<(row + 1) * lists.capacity).filter {
        lists.indices[$0] >= 0 && classes.images[Int(lists.indices[$0])] != image
      }
      for (entry, other) in zip(0..<capacity, others) {
        best.references[entry] = lists.indices[other]
        best.scores[entry] = lists.scores[other]
      }
      var words: [UInt32] = []
      best.appendWords(ofRow: 0, to: &words)
      result.set(words[...], of: image)
      count += 1
    }
    return count
  }

  /// The reference classes as one side of the comparison; each rank works out a part of their self terms. Collective.
  private func referenceSide(_ model: PairModel) throws -> PairTile.Side {
    let block = referenceBlock()
    let own = Partition(of: block.laneGroupCount, among: comm.size).range(of: comm.rank)
    let terms = PairTile.Side.selfTerms(of: block, own, model: model, threads: threads)
    return PairTile.Side(
      block, threshold: .infinity,
      selfTerms: try observer.communicating { try comm.allgatherRagged(terms) })
  }

  /// The reference classes, numbered from 0, of a group of their own.
  private func referenceBlock() -> PairBlock {
    let (width, count) = (rows.width, classes.images.count)
    let block = PairBlock(width: width, laneGroupCount: (count + 15) / 16)
    classes.statistics.withUnsafeBufferPointer { statistics in
      for at in 0..<block.laneGroupCount {
        let references = 16 * at..<min(16 * (at + 1), count)
        block.fill(at, with: references, group: Int32(posterior.groupCount)) {
          statistics.baseAddress! + $0 * width
        }
      }
    }
    return block
  }
}
