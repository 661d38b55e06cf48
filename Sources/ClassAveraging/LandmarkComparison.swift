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

  /// Images compared at a time by one thread.
  private static let chunk = 2048

  /// The best landmarks of this rank's images. An image's comparison with its own class says nothing: its
  /// own landmark is left out.
  /// - Parameter done: pairs that the stage has compared before.
  func run(after done: Int = 0) throws -> BestLandmarks {
    let own = rows.partition.range(of: comm.rank)
    let model = try classes.pairModel(posterior)
    let landmarks = side(of: landmarkBlock(), model)
    let tiles = stride(from: 0, to: classes.images.count, by: PairTile.rowsPerTile).map {
      PairBlock.Run(
        group: model.groupCount - 1,
        rows: $0..<min($0 + PairTile.rowsPerTile, classes.images.count))
    }
    // Images of one group side by side.
    let order = own.sorted { (groups[$0], $0) < (groups[$1], $1) }
    var result = BestLandmarks(images: own, capacity: capacity)
    let chunks = (own.count + Self.chunk - 1) / Self.chunk
    let pool = WorkerPool(count: threads) { PairTile(model: model, isPruning: true) }
    var found = [BestCandidates?](repeating: nil, count: pool.count)
    for start in stride(from: 0, to: chunks, by: pool.count) {
      let count = min(pool.count, chunks - start)
      let parts = (start..<start + count).map {
        order[$0 * Self.chunk..<min(($0 + 1) * Self.chunk, own.count)]
      }
      found.withUnsafeMutableBufferPointer { found in
        nonisolated(unsafe) let found = found
        pool.forEach(count) { tile, at in
          let images = side(of: block(of: parts[at], from: own.lowerBound), model)
          let lanes = PairLanes(images.block)
          let lists = TileLists(
            rows: BestCandidates(rows: classes.images.count, capacity: 1),
            columns: BestCandidates(rows: parts[at].count, capacity: capacity + 1))
          for run in tiles {
            tile.compare(
              run, of: landmarks, with: lanes, of: images, isTriangle: false, lists: lists)
          }
          lists.columns.sort()
          found[at] = lists.columns
        }
      }
      for (part, lists) in zip(parts, found) {
        for (row, image) in part.enumerated() {
          let entries = row * (capacity + 1)..<(row + 1) * (capacity + 1)
          let others = entries.filter {
            let landmark = lists!.indices[$0]
            return landmark >= 0 && classes.images[Int(landmark)] != image
          }
          for (entry, other) in others.prefix(capacity).enumerated() {
            let place = (image - own.lowerBound) * capacity + entry
            result.landmarks[place] = lists!.indices[other]
            result.scores[place] = lists!.scores[other]
          }
        }
      }
      observer.stageAdvanced(
        to: done + min((start + count) * Self.chunk, own.count) * classes.images.count)
    }
    return result
  }

  /// The landmarks' classes as rows that keep no lists: nothing exceeds their threshold.
  private func landmarkBlock() -> PairBlock {
    let width = rows.width
    var values: [Float] = []
    values.reserveCapacity(classes.images.count * (width + PairBlock.extra))
    for landmark in classes.images.indices {
      values += classes.statistics[landmark * width..<(landmark + 1) * width]
      values.append(.infinity)
      values.append(Float(bitPattern: UInt32(posterior.groupCount)))
      values.append(Float(bitPattern: UInt32(landmark)))
    }
    return PairBlock(width: width, values: values)
  }

  private func block(of images: ArraySlice<Int>, from first: Int) -> PairBlock {
    let width = rows.width
    var values: [Float] = []
    values.reserveCapacity(images.count * (width + PairBlock.extra))
    for image in images {
      values += rows.local[(image - first) * width..<(image - first + 1) * width]
      values.append(-.infinity)
      values.append(Float(bitPattern: UInt32(bitPattern: groups[image])))
      values.append(Float(bitPattern: UInt32(image)))
    }
    return PairBlock(width: width, values: values)
  }

  private func side(of block: PairBlock, _ model: PairModel) -> PairTile.Side {
    var terms: [Float] = []
    terms.reserveCapacity(block.count * model.groupCount)
    block.values.withUnsafeBufferPointer { values in
      for row in 0..<block.count {
        terms += model.selfTerms(
          of: values.baseAddress! + row * block.stride, group: block.group(row))
      }
    }
    return PairTile.Side(block: block, selfTerms: terms)
  }
}
