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

  /// The best landmarks of this rank's images. An image's comparison with its own class says nothing: its
  /// own landmark is left out. Collective where `parts` are given.
  /// - Parameters:
  ///   - done: pairs that the stage has compared before.
  ///   - parts: where the lists are saved, and go on from where there are some.
  ///   - isKept: whether all lists are saved in the end, for stages that follow.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop.
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
    let before = own.count - order.count
    let chunks = (order.count + chunk - 1) / chunk
    let pool = WorkerPool(count: threads) { PairTile(model: model, isPruning: true) }
    var found = [(block: PairBlock, lists: BestCandidates)?](repeating: nil, count: pool.count)
    observer.stageAdvanced(to: done + before * classes.images.count)
    for start in stride(from: 0, to: chunks, by: pool.count) {
      let count = min(pool.count, chunks - start)
      let batches = (start..<start + count).map {
        order[$0 * chunk..<min(($0 + 1) * chunk, order.count)]
      }
      found.withUnsafeMutableBufferPointer { found in
        nonisolated(unsafe) let found = found
        pool.forEach(count) { tile, at in
          let images = PairTile.Side(
            block(of: batches[at], from: own.lowerBound), model: model)
          let lists = TileLists(
            rows: BestCandidates(rows: images.block.count, capacity: capacity + 1),
            columns: BestCandidates(rows: landmarks.block.count, capacity: 1))
          let tiles = PairBlock.tiles(
            images.block.runs, in: 0..<images.block.count, length: PairTile.rowsPerTile)
          for rows in tiles {
            tile.compare(rows, of: images, with: landmarks, isTriangle: false, lists: lists)
          }
          lists.rows.sort()
          found[at] = (images.block, lists.rows)
        }
      }
      for case (let block, let lists)? in found.prefix(count) {
        enter(lists, of: block, into: &result.lists)
      }
      result.markDone(batches.joined().lazy.map { $0 - own.lowerBound })
      observer.stageAdvanced(
        to: done + (before + min((start + count) * chunk, order.count)) * classes.images.count)
      if try !result.goesOn() { break }
    }
    try observer.communicating { try result.stopIfAgreed() }
    if isKept, parts != nil { try comm.agree { try result.save() } }
    return result.lists
  }

  /// What was found for a block of images, without their own landmarks.
  private func enter(
    _ lists: BestCandidates, of block: PairBlock, into result: inout BestLandmarks
  ) {
    for row in 0..<block.count where block.index(row) >= 0 {
      let image = block.index(row)
      let others = (row * lists.capacity..<(row + 1) * lists.capacity).filter {
        lists.indices[$0] >= 0 && classes.images[Int(lists.indices[$0])] != image
      }
      for (entry, other) in zip(result.entries(of: Int(image)), others) {
        result.landmarks[entry] = lists.indices[other]
        result.scores[entry] = lists.scores[other]
      }
    }
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
