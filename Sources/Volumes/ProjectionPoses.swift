import Execution
import Foundation
import ImageModel
import MPI

/// Images spread over projections and rotations in the plane, by the probability that they lie there:
///
///     p ~ exp(-|image, rotated - projection|^2 / 2 t)
///
/// which adds up to 1 for each image.
struct ProjectionPoses {
  /// Of each projection the sum of the images there, as often as they are there, rotated to lie like it.
  package let sums: AngularRows
  /// Of each projection how many images are there.
  package let weights: [Double]

  init(sums: AngularRows, weights: [Double]) { (self.sums, self.weights) = (sums, weights) }

  /// Places less probable than this part of the best one do not count.
  private static let least: Float = 1e-5

  /// Collective; on every rank, to the last bit on any number of them. The ranks place blocks of images as they have time.
  /// - Parameters:
  ///   - spread: t.
  ///   - queue: whose next round this is.
  /// - Throws: `MPIError`.
  init(
    _ images: AngularRows, on projections: AngularRows, angles: Int, spread: Double, threads: Int,
    queue: NodeQueue, comm: Communicator, observer: any StageObserver
  ) throws {
    let size = RotationProducts.block
    let blocks = Partition.blocks(of: images.count, size: size)
    let energies = projections.energies
    var sums = FixedPointSum(
      count: projections.values.count, bound: 1.5 * Double(images.largest) * Double(size),
      terms: images.count)
    var weights = FixedPointSum(
      count: projections.count, bound: 1.5 * Double(size), terms: images.count)
    let pool = WorkerPool(threads: threads, items: blocks.count) {
      Spreading(images, projections, energies, angles: angles, spread: Float(spread))
    }
    queue.begin(blocks.count)
    while case let part = queue.next(pool.count), !part.isEmpty {
      pool.forEach(part.count) { spreading, at in
        spreading.spread(blocks[part[at]], least: Self.least)
      }
      pool.forEachState { $0.add(to: &sums, &weights) }
    }
    let (rows, counts) = try observer.communicating {
      (try sums.reducedToFloats(over: comm), try weights.reduced(over: comm))
    }
    self.sums = AngularRows(values: rows, degree: projections.degree, rank: projections.rank)
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
  /// Of one image and each projection the sum of p exp(-i k rotation), [projection][k][2]; only of projections where it is.
  private var waves: [Float]
  /// Of a block the sums by projections, and how many images are there; zero but for the projections of `touched`.
  private var sums: [Float]
  private var weights: [Float]
  private var touched: [Int] = []
  /// Of one image the places that count, the projections there, and the number of each projection among these; -1 without one.
  private var poses: [Int] = []
  private var found: [(projection: Int, weight: Float)] = []
  private var number: [Int32]

  init(
    _ images: AngularRows, _ projections: AngularRows, _ energies: [Float], angles: Int,
    spread: Float
  ) {
    (self.images, self.energies, self.angles, self.spread) = (images, energies, angles, spread)
    circle = ProjectionValues.circle(angles: angles)
    products = RotationProducts(projections, angles: angles)
    waves = .init(repeating: 0, count: 2 * (projections.degree + 1) * projections.count)
    sums = .init(repeating: 0, count: projections.values.count)
    weights = .init(repeating: 0, count: projections.count)
    number = .init(repeating: -1, count: projections.count)
  }

  /// Spreads a block's images; `add` follows.
  mutating func spread(_ block: Range<Int>, least: Float) {
    let (width, rank) = (images.width, images.rank)
    products.setBlock(images, block)
    for image in block {
      products.rotate(image - block.lowerBound, of: block.count)
      place(least: least)
      for (projection, weight) in found {
        if weights[projection] == 0 { touched.append(projection) }
        weights[projection] += weight
        for k in 0...images.degree {
          let wave = 2 * (projection * (images.degree + 1) + k)
          let (c, s) = (waves[wave], waves[wave + 1])
          let (from, to) = (image * width + 2 * k * rank, projection * width + 2 * k * rank)
          images.values.withUnsafeBufferPointer { values in
            sums.withUnsafeMutableBufferPointer { sums in
              let (z, sum) = (values.baseAddress! + from, sums.baseAddress! + to)
              for j in 0..<rank {
                sum[j] += z[j] * c + z[rank + j] * s
                sum[rank + j] += z[rank + j] * c - z[j] * s
              }
            }
          }
        }
      }
    }
  }

  /// Adds what the block gave to sums over all images, and forgets it.
  mutating func add(to all: inout FixedPointSum, _ counts: inout FixedPointSum) {
    let width = images.width
    for projection in touched {
      sums.withUnsafeMutableBufferPointer { sums in
        let row = UnsafeMutableBufferPointer(
          rebasing: sums[projection * width..<(projection + 1) * width])
        all.add(UnsafeBufferPointer(row), at: projection * width)
        row.update(repeating: 0)
      }
      counts.add([Double(weights[projection])], at: projection)
      weights[projection] = 0
    }
    touched = []
  }

  /// Fills `waves` for the image that was rotated last, and `found` with the projections that it is on, ascending, and how
  /// much of it.
  private mutating func place(least: Float) {
    found.removeAll(keepingCapacity: true)
    let best = best()
    let lowest = best + spread * log(least)
    let waveLength = 2 * (images.degree + 1)
    findPlaces(atLeast: lowest)
    for pose in poses {
      let (angle, projection) = pose.quotientAndRemainder(dividingBy: energies.count)
      let (even, odd) = products.withProducts { ($0[pose], $1[pose]) }
      for (score, shift) in [(even + odd, angle), (even - odd, angle + angles)] {
        let score = score - energies[projection] / 2
        if score < lowest { continue }
        let weight = exp((score - best) / spread)
        if number[projection] < 0 {
          number[projection] = Int32(found.count)
          found.append((projection, 0))
          for i in projection * waveLength..<(projection + 1) * waveLength { waves[i] = 0 }
        }
        found[Int(number[projection])].weight += weight
        add(weight, at: shift, on: projection)
      }
    }
    for (projection, _) in found { number[projection] = -1 }
    found.sort { $0.projection < $1.projection }
    let sum = found.reduce(0) { $0 + $1.weight }
    for at in found.indices {
      found[at].weight /= sum
      let start = found[at].projection * waveLength
      for i in start..<start + waveLength { waves[i] /= sum }
    }
  }

  /// Adds to the waves of a projection `weight` times those of an image that is rotated by `shift` angles.
  private mutating func add(_ weight: Float, at shift: Int, on projection: Int) {
    waves.withUnsafeMutableBufferPointer { waves in
      let target = waves.baseAddress! + 2 * projection * (images.degree + 1)
      circle.cosines.withUnsafeBufferPointer { cosines in
        circle.sines.withUnsafeBufferPointer { sines in
          var turn = 0
          for k in 0...images.degree {
            target[2 * k] += weight * cosines[turn]
            target[2 * k + 1] += weight * sines[turn]
            turn += shift
            if turn >= 2 * angles { turn -= 2 * angles }
          }
        }
      }
    }
  }

  /// The best score of all places.
  private func best() -> Float {
    let count = energies.count
    return products.withProducts { even, odd in
      var (best, most) = (-Float.infinity, Vector(repeating: -.infinity))
      for row in stride(from: 0, to: angles * count, by: count) {
        for start in stride(from: 0, to: count, by: Self.lanes) {
          if start + Self.lanes <= count {
            most = larger(most, highest(even + row, odd + row, at: start))
          } else {
            for projection in start..<count {
              best = max(
                best, higher(even[row + projection], odd[row + projection], of: projection))
            }
          }
        }
      }
      return max(best, most.max())
    }
  }

  /// Fills `poses`, [angle][projection], with those that score `lowest` there or half a turn from there.
  private mutating func findPlaces(atLeast lowest: Float) {
    let count = energies.count
    var result: [Int] = []
    swap(&result, &poses)
    result.removeAll(keepingCapacity: true)
    products.withProducts { even, odd in
      for row in stride(from: 0, to: angles * count, by: count) {
        for start in stride(from: 0, to: count, by: Self.lanes) {
          let end = min(start + Self.lanes, count)
          if end - start == Self.lanes,
            !any(highest(even + row, odd + row, at: start) .>= Vector(repeating: lowest))
          {
            continue
          }
          for projection in start..<end {
            if higher(even[row + projection], odd[row + projection], of: projection) >= lowest {
              result.append(row + projection)
            }
          }
        }
      }
    }
    poses = result
  }

  private static let lanes = 16
  private typealias Vector = SIMD16<Float>

  /// The higher score of a projection at one angle and half a turn from it, which negates the odd frequencies.
  private func higher(_ even: Float, _ odd: Float, of projection: Int) -> Float {
    even + abs(odd) - energies[projection] / 2
  }

  /// The same of as many projections as there are lanes, from `start` on.
  @inline(__always)
  private func highest(
    _ even: UnsafePointer<Float>, _ odd: UnsafePointer<Float>, at start: Int
  ) -> Vector {
    func vector(_ values: UnsafePointer<Float>) -> Vector {
      UnsafeRawPointer(values + start).loadUnaligned(as: Vector.self)
    }
    let (e, o) = (vector(even), vector(odd))
    let energy = energies.withUnsafeBufferPointer { vector($0.baseAddress!) }
    return e + larger(o, -o) - energy / 2
  }
}
