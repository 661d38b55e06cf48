import Foundation
import LinearAlgebra
import MPI

/// Compares every image of this rank with every landmark's class, exactly: the Bayes factor of image and
/// class being alike, over all rotations and both reflections (method E.5). Work grows with images x
/// landmarks, and no images travel.
struct LandmarkComparison {
  let classes: LandmarkClasses
  let posterior: PosteriorModel
  let rows: DistributedRows
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  /// L, landmarks kept of each image.
  let capacity: Int
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver
  /// Images compared at a time by one thread: a block of work, between which the search may be saved and stopped.
  var chunk = ClassSize.comparedAtATime

  /// The part of a rank's images that any rank of its node may compare, whichever has time: more than the cores of
  /// a node differ by.
  private static let sharedPart = 0.25

  /// The best landmarks of this rank's images. An image's comparison with its own class says nothing: its
  /// own landmark is left out. Collective.
  /// - Parameters:
  ///   - done: pairs that the stage has compared before.
  ///   - parts: where the lists are saved, and go on from where there are some.
  ///   - isKept: whether all lists are saved in the end, for stages that follow.
  /// - Throws: `MPIError`; `Interruption`, on all ranks, where the run was asked to stop.
  func run(after done: Int = 0, parts: CheckpointParts? = nil, isKept: Bool = false) throws
    -> BestLandmarks
  {
    let own = rows.partition.range(of: comm.rank)
    let model = try classes.pairModel(posterior)
    // Landmarks are the columns: rows are weighted for the columns' group, which is one for all landmarks.
    let landmarks = PairTile.Side(landmarkBlock(), model: model, threshold: .infinity)
    var result = try SavedLists(
      BestLandmarks(images: own, capacity: capacity), of: rows.partition, parts: parts, on: comm)
    // Images of one group side by side.
    let order = result.missing.map { own.lowerBound + $0 }
      .sorted { (groups[$0], $0) < (groups[$1], $1) }
    var compared = own.count - order.count
    let pool = WorkerPool(count: threads) { PairTile(model: model, isPruning: true) }
    observer.stageAdvanced(to: done + compared * classes.images.count)
    /// Compares blocks of images, at once; whether to go on.
    func compare(_ blocks: [PairBlock]) throws -> Bool {
      for (block, lists) in zip(blocks, lists(of: blocks, landmarks, model, pool)) {
        compared += enter(lists, of: block, into: &result)
      }
      observer.stageAdvanced(to: done + compared * classes.images.count)
      return try result.goesOn()
    }
    let node = try observer.communicating { try comm.splitByNode() }
    let shared = node.size == 1 ? 0 : Int(Double(order.count) * Self.sharedPart)
    let blocks = try observer.communicating {
      try NodeBlocks(
        batches(order.suffix(shared), of: min(chunk, PairTile.rowsPerTile))
          .map { block(of: $0, from: own.lowerBound) }, width: rows.width, node: node)
    }
    var left = batches(order.dropLast(shared), of: chunk)[...]
    var isGoingOn = true
    while isGoingOn && !left.isEmpty {
      isGoingOn = try compare(
        left.prefix(pool.count).map { block(of: $0, from: own.lowerBound) })
      left = left.dropFirst(pool.count)
    }
    while isGoingOn {
      let next = (0..<pool.count).compactMap { _ in blocks.next() }
      if next.isEmpty { break }
      isGoingOn = try compare(next)
    }
    try observer.communicating {
      try result.handOver()
      try blocks.free()
      try result.stopIfAgreed()
    }
    if isKept, parts != nil { try comm.agree { try result.save() } }
    return result.lists
  }

  private func batches(_ images: ArraySlice<Int>, of size: Int) -> [ArraySlice<Int>] {
    stride(from: images.startIndex, to: images.endIndex, by: size).map {
      images[$0..<min($0 + size, images.endIndex)]
    }
  }

  /// The best landmarks of the images of some blocks, a thread for each.
  private func lists(
    of blocks: [PairBlock], _ landmarks: PairTile.Side, _ model: PairModel,
    _ pool: WorkerPool<PairTile>
  ) -> [BestCandidates] {
    pool.map(blocks.count) { tile, at in
      let images = PairTile.Side(blocks[at], model: model)
      let lists = TileLists(
        rows: BestCandidates(rows: images.block.count, capacity: capacity + 1))
      let tiles = PairBlock.tiles(
        images.block.runs, in: 0..<images.block.count, length: PairTile.rowsPerTile)
      for rows in tiles {
        tile.compare(rows, of: images, with: landmarks, isTriangle: false, lists: lists)
      }
      lists.rows.sort()
      return lists.rows
    }
  }

  /// Enters what was found for a block of images, without their own landmarks; how many images they are.
  private func enter(
    _ lists: BestCandidates, of block: PairBlock, into result: inout SavedLists<BestLandmarks>
  ) -> Int {
    var count = 0
    for row in 0..<block.count where block.index(row) >= 0 {
      let image = Int(block.index(row))
      var best = BestLandmarks(images: image..<image + 1, capacity: capacity)
      let others = (row * lists.capacity..<(row + 1) * lists.capacity).filter {
        lists.indices[$0] >= 0 && classes.images[Int(lists.indices[$0])] != image
      }
      for (entry, other) in zip(0..<capacity, others) {
        best.landmarks[entry] = lists.indices[other]
        best.scores[entry] = lists.scores[other]
      }
      var words: [UInt32] = []
      best.appendWords(ofRow: 0, to: &words)
      result.set(words[...], of: image)
      count += 1
    }
    return count
  }

  /// The landmarks' classes, numbered from 0, of a group of their own.
  private func landmarkBlock() -> PairBlock {
    let (width, count) = (rows.width, classes.images.count)
    let block = PairBlock(width: width, laneGroupCount: (count + 15) / 16)
    for at in 0..<block.laneGroupCount {
      block.fill(at, group: Int32(posterior.groupCount)) { target in
        for landmark in 16 * at..<min(16 * (at + 1), count) {
          for i in 0..<width {
            target[i][landmark % 16] = classes.statistics[landmark * width + i]
          }
          target[width + 1][landmark % 16] = Float(bitPattern: UInt32(landmark))
        }
      }
    }
    return block
  }

  /// Some of this rank's images, sorted by defocus group; `first` is the first of all its images.
  private func block(of images: ArraySlice<Int>, from first: Int) -> PairBlock {
    let laneGroups = PairBlock.laneGroups(of: images, groups: groups)
    let width = rows.width
    let block = PairBlock(width: width, laneGroupCount: laneGroups.count)
    for (at, part) in laneGroups.enumerated() {
      block.fill(at, group: groups[part.first!]) { target in
        for (lane, image) in part.enumerated() {
          let (group, source) = (image - first).quotientAndRemainder(
            dividingBy: SteerableCoefficients.groupSize)
          for i in 0..<width { target[i][lane] = rows.local.lanes[group * width + i][source] }
          target[width + 1][lane] = Float(bitPattern: UInt32(image))
        }
      }
    }
    return block
  }
}
