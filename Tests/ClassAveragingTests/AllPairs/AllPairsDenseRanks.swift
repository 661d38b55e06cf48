import Foundation
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import ImageModel

/// The all-pairs search against affinities in double precision, block by block from the posteriors
/// themselves: 200 images in 5 defocus groups, every pair, every angle of a fine grid, both reflections.
@Suite(.serialized, .timeLimit(.minutes(4)))
struct AllPairsDenseRanks {
  private static let images = 200
  private static let groups = 5
  private static let angles = 240

  /// One group pair's matrices for a block, and the constant of all blocks.
  private struct Form {
    var own: [Matrix] = []
    var other: [Matrix] = []
    var cross: [Matrix] = []
    var constant = 0.0
  }

  private struct Setting {
    let posterior: PosteriorModel
    let statistics: [[Float]]
    let groupOfImage: [Int32]
  }

  private func setting(on comm: Communicator) throws -> Setting {
    var small = SmallModel(seed: 6)
    // Two more groups: mixtures of the three.
    func mixed(_ a: Int, _ b: Int) -> [Matrix] {
      zip(small.squared[a], small.squared[b]).map { 0.5 * ($0 + $1) }
    }
    let squared = small.squared + [mixed(0, 1), mixed(1, 2)]
    let three = try small.estimate(on: comm)
    small.squared = squared
    let model = ImageModel(
      basis: small.basis, squared: squared, groupCounts: .init(repeating: 40, count: 5))
    let posterior = try PosteriorModel(estimate: three, model: model, noiseVariance: 0.4)
    let real = RealCoordinates(posterior.layout)
    let turns = randomNumbers(Self.images, seed: 71)
    let groupOfImage = (0..<Self.images).map { Int32($0 * $0 % Self.groups) }
    let statistics = try (0..<Self.images).map { image -> [Float] in
      let clean = randomNormals(real.dimension, seed: 500 + UInt64(image % 40))
      let turned = real.alignment(6 * turns[image], reflected: image % 3 == 0).times(clean)
      let information = real.matrix(posterior.information[Int(groupOfImage[image])])
      let root = try SymmetricEigen(information).applying { $0.squareRoot() }
      let noise = randomNormals(real.dimension, seed: 900 + UInt64(image))
      return real.pairs(root.times(zip(root.times(turned), noise).map(+)))
    }
    return Setting(posterior: posterior, statistics: statistics, groupOfImage: groupOfImage)
  }

  /// a(theta) = constant - 1/2 (b_i^H own b_i + b_j^H other b_j) + Re e^{ik theta} b_i^H cross b_j, by the
  /// definitions: the density of the difference of the posteriors at 0, or the evidence of both images
  /// under one clean image against two.
  private func form(_ posterior: PosteriorModel, _ g: Int, _ h: Int, _ affinity: Affinity) throws
    -> Form
  {
    var form = Form()
    for (block, k) in posterior.layout.frequencies.enumerated() {
      let (f, e) = (posterior.information[g][block], posterior.information[h][block])
      let one = Matrix.identity(f.rows)
      let (lg, lh) = (try Cholesky(one + f).inverse(), try Cholesky(one + e).inverse())
      let m = k == 0 ? 1.0 : 2.0
      if affinity == .mahalanobis {
        let sum = try Cholesky(lg + lh)
        let s = try sum.inverse()
        form.own.append(lg * s * lg)
        form.other.append(lh * s * lh)
        form.cross.append(lg * s * lh)
        form.constant -= 0.5 * m * sum.logDeterminant
      } else {
        // log p(y | x) integrated over x ~ N(0, I): 1/2 b^H (I + F)^{-1} b - 1/2 log |I + F|.
        let joint = try Cholesky(one + f + e)
        let p = try joint.inverse()
        form.own.append(lg - p)
        form.other.append(lh - p)
        form.cross.append(p)
        form.constant +=
          0.5 * m
          * (try Cholesky(one + f).logDeterminant + Cholesky(one + e).logDeterminant
            - joint.logDeterminant)
      }
    }
    return form
  }

  private func quadratic(_ matrix: Matrix, _ b: [Float], _ components: Range<Int>) -> Double {
    var sum = 0.0
    for (i, p) in components.enumerated() {
      for (j, q) in components.enumerated() {
        sum +=
          matrix[i, j]
          * (Double(b[2 * p]) * Double(b[2 * q]) + Double(b[2 * p + 1]) * Double(b[2 * q + 1]))
      }
    }
    return sum
  }

  /// The largest affinity over a fine grid of angles, as the image is and reflected; and what the sum of
  /// the frequencies' terms may be at most.
  private func best(_ form: Form, _ layout: AngularLayout, _ b: [Float], _ e: [Float]) -> (
    direct: Double, mirror: Double, size: Double
  ) {
    var rest = form.constant
    var size = 0.0
    // Re and Im of b^H cross e, and the same with e conjugated.
    var terms: [(Double, Double, Double, Double)] = []
    for block in layout.frequencies.indices {
      let components = layout.components(ofBlock: block)
      rest -= 0.5 * quadratic(form.own[block], b, components)
      rest -= 0.5 * quadratic(form.other[block], e, components)
      var (re, im, mirrorRe, mirrorIm) = (0.0, 0.0, 0.0, 0.0)
      for (i, p) in components.enumerated() {
        for (j, q) in components.enumerated() {
          let weight = form.cross[block][i, j]
          let (x, y) = (Double(b[2 * p]), Double(b[2 * p + 1]))
          let (u, v) = (Double(e[2 * q]), Double(e[2 * q + 1]))
          re += weight * (x * u + y * v)
          im += weight * (x * v - y * u)
          mirrorRe += weight * (x * u - y * v)
          mirrorIm += weight * (-x * v - y * u)
        }
      }
      terms.append((re, im, mirrorRe, mirrorIm))
      size += max((re * re + im * im), (mirrorRe * mirrorRe + mirrorIm * mirrorIm)).squareRoot()
    }
    var (direct, mirror) = (-Double.infinity, -Double.infinity)
    for step in 0..<Self.angles {
      var (a, c) = (0.0, 0.0)
      for (block, k) in layout.frequencies.enumerated() {
        let phase = Double(k * step) * 2 * .pi / Double(Self.angles)
        a += terms[block].0 * cos(phase) - terms[block].1 * sin(phase)
        c += terms[block].2 * cos(phase) - terms[block].3 * sin(phase)
      }
      direct = max(direct, a)
      mirror = max(mirror, c)
    }
    return (direct + rest, mirror + rest, size)
  }

  @Test("Every pair's best angle and reflection", arguments: [Affinity.mahalanobis, .bayes])
  func agreesWithDoublePrecision(affinity: Affinity) throws {
    let world = try testWorld()
    let setting = try setting(on: world)
    let posterior = setting.posterior
    let count = Self.images
    let partition = Partition(of: count, among: world.size)
    let rows = try CoefficientStore(
      SteerableCoefficients(
        layout: posterior.layout,
        rows: setting.statistics[partition.range(of: world.rank)].flatMap { $0 }),
      partition: partition, on: world)
    let model = try PairModel(posterior, affinity: affinity)
    let forms = try (0..<Self.groups).map { g in
      try (0..<Self.groups).map { h in try form(posterior, g, h, affinity) }
    }
    func exact(_ i: Int, _ j: Int) -> (direct: Double, mirror: Double, size: Double) {
      best(
        forms[Int(setting.groupOfImage[i])][Int(setting.groupOfImage[j])], posterior.layout,
        setting.statistics[i], setting.statistics[j])
    }

    // Lists as long as there are others: every pair is seen.
    let found = try AllPairsSearch(
      model: model, capacity: count - 1, threads: 2, comm: world, observer: SilentObserver()
    ).run(rows, groups: setting.groupOfImage)
    for (at, image) in found.images.enumerated() {
      let entries = at * (count - 1)..<(at + 1) * (count - 1)
      #expect(Set(found.candidates[entries]).count == count - 1)
      var (low, high) = (0.0, 0.0)
      for entry in entries {
        let pair = exact(Int(image), Int(found.candidates[entry]))
        let error = (Double(found.scores[entry]) - max(pair.direct, pair.mirror)) / pair.size
        (low, high) = (min(low, error), max(high, error))
      }
      // A peak half a step off the 32 angles lies cos(4 pi / 32) high on them, and a parabola through
      // three of them overshoots by little.
      #expect(low > cos(4 * .pi / 32) - 1 && high < 0.01, "\(low), \(high)")
    }

    // The scores that the neighbours are ranked by are those of the peak itself.
    let table = try CandidateScoring(
      model: model, rows: rows, groups: setting.groupOfImage, threads: 2, comm: world,
      observer: SilentObserver()
    ).neighbours(of: found.images, candidates: found.candidates, neighboursPerImage: count - 1)
    var (largestError, wrongReflections) = (0.0, 0)
    for entry in table.indices.indices {
      let pair = exact(entry / (count - 1), Int(table.indices[entry]))
      // The fine grid's own miss, at most size (k step / 2)^2 / 2, is taken off.
      let step = 4 * 2 * .pi / Double(Self.angles)
      let error = Double(table.affinities[entry]) - max(pair.direct, pair.mirror)
      largestError = max(largestError, -error, error - pair.size * step * step / 8)
      if abs(pair.direct - pair.mirror) > pair.size * step * step / 8 + 1e-3,
        (pair.mirror > pair.direct) != table.alignments[entry].isReflected
      {
        wrongReflections += 1
      }
    }
    #expect(table.count == count)
    #expect(largestError < 1e-3, "\(largestError)")
    #expect(wrongReflections == 0)
  }
}
