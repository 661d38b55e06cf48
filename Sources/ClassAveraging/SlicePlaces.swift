import Foundation
import MPI

/// Images spread over slices and rotations in the plane, by the probability that they lie there:
///
///     p ~ exp(-|image, rotated - slice|^2 / 2 t)
///
/// which adds up to 1 for each image.
struct SlicePlaces {
  /// Of each slice the sum of the images there, as often as they are there, rotated to lie like it.
  let sums: AngularRows
  /// Of each slice how many images are there.
  let weights: [Double]

  init(sums: AngularRows, weights: [Double]) { (self.sums, self.weights) = (sums, weights) }

  /// Places less probable than this part of the best one do not count.
  private static let least: Float = 1e-5

  /// Collective; on every rank, to the last bit on any number of them. The ranks place blocks of images as they have time.
  /// - Parameters:
  ///   - spread: t.
  ///   - queue: whose next round this is.
  /// - Throws: `MPIError`.
  init(
    _ images: AngularRows, on slices: AngularRows, angles: Int, spread: Double, threads: Int,
    queue: NodeQueue, comm: Communicator, observer: any StageObserver
  ) throws {
    let size = RotationProducts.block
    let blocks = Partition.blocks(of: images.count, size: size)
    let energies = slices.energies
    let largest = images.values.reduce(0) { max($0, abs($1)) }
    var sums = FixedPointSum(
      count: slices.values.count, bound: 1.5 * Double(largest) * Double(size), terms: images.count)
    var weights = FixedPointSum(
      count: slices.count, bound: 1.5 * Double(size), terms: images.count)
    let pool = WorkerPool(count: min(threads, max(1, blocks.count))) {
      Box(Spreading(images, slices, energies, angles: angles, spread: Float(spread)))
    }
    queue.begin(blocks.count)
    while case let part = queue.next(pool.count), !part.isEmpty {
      let results = pool.map(part.count) { spreading, at in
        spreading.value.spread(blocks[part[at]], least: Self.least)
      }
      for result in results {
        result.withUnsafeBufferPointer { result in
          sums.add(.init(rebasing: result[..<slices.values.count]))
          weights.add(.init(rebasing: result[slices.values.count...]))
        }
      }
    }
    let (rows, counts) = try observer.communicating {
      (try sums.reduced(over: comm), try weights.reduced(over: comm))
    }
    self.sums = AngularRows(
      values: rows.map { Float($0) }, degree: slices.degree, rank: slices.rank)
    self.weights = counts
  }
}

/// Spreads blocks of images. One instance a thread.
private struct Spreading {
  private let images: AngularRows
  private let energies: [Float]
  private let angles: Int
  /// t.
  private let spread: Float
  private let circle: (cosines: [Float], sines: [Float])
  private var products: RotationProducts
  /// Of one image and each slice the sum of p exp(-i k rotation), [slice][k][2].
  private var waves: [Float]

  init(
    _ images: AngularRows, _ slices: AngularRows, _ energies: [Float], angles: Int, spread: Float
  ) {
    (self.images, self.energies, self.angles, self.spread) = (images, energies, angles, spread)
    circle = SliceValues.circle(angles: angles)
    products = RotationProducts(slices, angles: angles)
    waves = .init(repeating: 0, count: 2 * (slices.degree + 1) * slices.count)
  }

  /// The sums of a block's images by slices, then how many are there.
  mutating func spread(_ block: Range<Int>, least: Float) -> [Double] {
    let (slices, width, rank) = (energies.count, images.width, images.rank)
    var result = [Float](repeating: 0, count: slices * (width + 1))
    products.setBlock(images, block)
    for image in block {
      products.rotate(image - block.lowerBound, of: block.count)
      let weights = place(least: least)
      for (slice, weight) in weights.enumerated() where weight > 0 {
        result[slices * width + slice] += weight
        for k in 0...images.degree {
          let wave = 2 * (slice * (images.degree + 1) + k)
          let (c, s) = (waves[wave], waves[wave + 1])
          let (from, to) = (image * width + 2 * k * rank, slice * width + 2 * k * rank)
          for j in 0..<rank {
            let (real, imaginary) = (images.values[from + j], images.values[from + rank + j])
            result[to + j] += real * c + imaginary * s
            result[to + rank + j] += imaginary * c - real * s
          }
        }
      }
    }
    return result.map { Double($0) }
  }

  /// Fills `waves` for the image that was rotated last, and returns how much of it is on each slice.
  private mutating func place(least: Float) -> [Float] {
    var best = -Float.infinity
    for angle in 0..<angles {
      for (slice, energy) in energies.enumerated() {
        let (even, odd) = products[angle, slice]
        // Half a turn more negates the odd frequencies.
        best = max(best, even + abs(odd) - energy / 2)
      }
    }
    for i in waves.indices { waves[i] = 0 }
    var weights = [Float](repeating: 0, count: energies.count)
    let lowest = best + spread * log(least)
    for angle in 0..<angles {
      for (slice, energy) in energies.enumerated() {
        let (even, odd) = products[angle, slice]
        if even + abs(odd) - energy / 2 < lowest { continue }
        for (score, shift) in [(even + odd, angle), (even - odd, angle + angles)] {
          let score = score - energy / 2
          if score < lowest { continue }
          let weight = exp((score - best) / spread)
          weights[slice] += weight
          let start = 2 * slice * (images.degree + 1)
          for k in 0...images.degree {
            let turn = k * shift % (2 * angles)
            waves[start + 2 * k] += weight * circle.cosines[turn]
            waves[start + 2 * k + 1] += weight * circle.sines[turn]
          }
        }
      }
    }
    let sum = weights.reduce(0, +)
    for i in weights.indices { weights[i] /= sum }
    for i in waves.indices { waves[i] /= sum }
    return weights
  }
}
