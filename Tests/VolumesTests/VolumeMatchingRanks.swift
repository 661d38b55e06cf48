import Foundation
import Fourier
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel
@testable import Volumes

/// Images of a long particle and of a symmetric one, of Gaussian blobs, pixel by pixel, whose volume is to be found
/// again.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct VolumeMatchingRanks {
  private let basis = FourierBesselBasis(size: 32, bandLimit: 0.25, radius: 14)
  private static let long: [SIMD3<Double>] = [
    [0, 0, 9], [1, 1, 5], [-1, 2, 1], [2, -1, -4], [0, 1, -8], [4, 0, 6],
  ]
  /// Of five equal parts about an axis.
  private static let ring: [SIMD3<Double>] = (0..<5).flatMap { (part: Int) -> [SIMD3<Double>] in
    let angle = 2 * Double.pi * Double(part) / 5
    let (c, s) = (cos(angle), sin(angle))
    let blobs: [SIMD3<Double>] = [[8, 0, 2], [5, 2, -3]]
    return blobs.map { SIMD3(c * $0.x - s * $0.y, s * $0.x + c * $0.y, $0.z) }
  }
  /// Blobs of this width, in pixels.
  private let width = 1.8

  /// What turns pixels into coefficients, pixels x (2 x components).
  private func analysis() -> Matrix {
    let (size, layout) = (basis.size, basis.layout)
    var result = Matrix(rows: size * size, columns: 2 * layout.componentCount)
    for pixel in 0..<size * size {
      let (x, y) = (Double(pixel % size - size / 2), Double(pixel / size - size / 2))
      let (r, angle) = ((x * x + y * y).squareRoot(), atan2(y, x))
      let bessel = besselJs(through: layout.blockCount, at: 2 * .pi * basis.bandLimit * r)
      for k in 0..<layout.blockCount {
        let radial = basis.realRadial(block: k, at: r, bessel: bessel[k])
        for (value, component) in zip(radial, layout.components(ofBlock: k)) {
          let scale = k == 0 ? 1 : 2.0.squareRoot()
          result[pixel, 2 * component] = scale * value * cos(Double(k) * angle)
          result[pixel, 2 * component + 1] = scale * value * sin(Double(k) * angle)
        }
      }
    }
    return result
  }

  /// Coefficients of projections, less their mean, images x (2 x components).
  private func images(_ count: Int, of blobs: [SIMD3<Double>]) -> Matrix {
    let size = basis.size
    var pixels = Matrix(rows: count, columns: size * size)
    for image in 0..<count {
      let orientation = RandomOrientation(image: image, seed: 77)
      let (u, v) = (SIMD3<Double>(orientation.first), SIMD3<Double>(orientation.second))
      for blob in blobs {
        let (x, y) = ((blob * u).sum(), (blob * v).sum())
        for pixel in 0..<size * size {
          let (dx, dy) = (
            Double(pixel % size - size / 2) - x, Double(pixel / size - size / 2) - y
          )
          pixels[image, pixel] += exp(-(dx * dx + dy * dy) / (2 * width * width))
        }
      }
    }
    var result = pixels * analysis()
    for column in 0..<2 * basis.layout.components(ofBlock: 0).count {
      let mean = (0..<count).reduce(0) { $0 + result[$1, column] } / Double(count)
      for image in 0..<count { result[image, column] -= mean }
    }
    return result
  }

  private func covariance(_ images: Matrix) -> [Matrix] {
    (0..<basis.layout.blockCount).map { k in
      let components = basis.layout.components(ofBlock: k)
      var sum = Matrix(rows: components.count, columns: components.count)
      for image in 0..<images.rows {
        for (i, a) in components.enumerated() {
          for (j, b) in components.enumerated() {
            sum[i, j] +=
              images[image, 2 * a] * images[image, 2 * b]
              + images[image, 2 * a + 1] * images[image, 2 * b + 1]
          }
        }
      }
      return (1 / Double(images.rows * (k == 0 ? 1 : 2))) * sum
    }
  }

  /// How unequal the views are: the standard deviation of their energies over the mean.
  private func spread(_ energies: [Double]) -> Double {
    let mean = energies.reduce(0, +) / Double(energies.count)
    let square = energies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(energies.count)
    return square.squareRoot() / mean
  }

  /// Slices as `ProjectionValues` has them.
  private func projections(_ volume: SimulatedVolume, _ count: Int) -> [[Float]] {
    var projection = ProjectionValues(volume)
    return (0..<count).map { at in
      projection.fill(volume, orientation: RandomOrientation(image: at, seed: 99))
      return projection.values.flatMap { vector in (0..<16).map { vector[$0] } }
    }
  }

  private func correlation(_ a: [Float], _ b: [Float]) -> Float {
    func product(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    return product(a, b) / (product(a, a) * product(b, b)).squareRoot()
  }

  @Test("The views of the volume found are those of the particle", arguments: [long, ring])
  func findsTheParticle(blobs: [SIMD3<Double>]) throws {
    let comm = try testWorld()
    let images = images(600, of: blobs)
    let radial = try RadialCoordinates(of: covariance(images), basis: basis)
    let shells = try ShellCorrelation(of: radial.covariances)
    #expect(shells.residual < 0.01)
    let rows = images.storage.map { Float($0) }
    let columns = images.columns
    func found(like images: ArraySlice<Float>, threads: Int = 2) throws -> (
      matched: SimulatedVolume?, bound: SimulatedVolume
    ) {
      var matching = VolumeMatching(
        correlation: shells, radial: radial, seed: 5, threads: threads, comm: comm,
        observer: SilentObserver())
      matching.projections = 400
      let volume = try matching.volume(like: Array(images))
      return (volume, try matching.withCovariance(volume))
    }
    let (none, random) = try found(like: [])
    let (matched, own) = try found(like: rows[0..<160 * columns])
    #expect(none == nil)
    let angles = ProjectionValues(own).angles

    // Images that were not matched.
    let others = AngularRows(
      Array(rows[500 * columns..<512 * columns]), radial: radial, degree: own.degree)
    func likeness(_ volume: SimulatedVolume) -> Float {
      let projections = projections(volume, 300)
      let best = (0..<others.count).map { image in
        stride(from: 0, to: 2 * angles, by: 2).reduce(Float(-1)) { best, shift in
          let rotated = others.circles(
            of: image, rotatedBy: shift, ProjectionValues.circle(angles: angles))
          return projections.reduce(best) { max($0, correlation(rotated, $1)) }
        }
      }
      return best.sorted()[best.count / 2]
    }
    let volume = try #require(matched)
    #expect(likeness(own) > 0.93)
    #expect(likeness(volume) > 0.95)
    #expect(likeness(random) < 0.85)
    // So are their coefficients in the basis, turned.
    let expanded = (0..<300).map { at in
      var projection = ProjectionValues(volume)
      projection.fill(volume, orientation: RandomOrientation(image: at, seed: 99))
      var a = [Float](repeating: 0, count: columns)
      a.withUnsafeMutableBufferPointer { radial.expand(projection, into: $0.baseAddress!) }
      return a
    }
    let best = (500..<512).map { image in
      let one = Array(rows[image * columns..<(image + 1) * columns])
      return (0..<60).reduce(Float(-1)) { best, step in
        let turned = turned(one, by: 2 * .pi * Float(step) / 60)
        return expanded.reduce(best) { max($0, correlation(turned, $1)) }
      }
    }
    #expect(best.sorted()[best.count / 2] > 0.95)

    let truth = spread(
      (0..<images.rows).map { image in
        (0..<columns).reduce(0) { $0 + images[image, $1] * images[image, $1] }
      })
    func views(_ volume: SimulatedVolume) -> Double {
      spread(projections(volume, 300).map { Double($0.reduce(0) { $0 + $1 * $1 }) })
    }
    #expect(abs(views(own) / truth - 1) < 0.15)

    // To the last bit on any number of threads; ranks are compared by the probabilities of a whole run.
    #expect(
      try found(like: rows[0..<160 * columns], threads: 1).bound.coefficients
        == own.coefficients)
  }

  /// Coefficients, (re, im), of the image turned.
  private func turned(_ a: [Float], by angle: Float) -> [Float] {
    var result = a
    for k in 0..<basis.layout.blockCount {
      let (c, s) = (cos(Float(k) * angle), sin(Float(k) * angle))
      for component in basis.layout.components(ofBlock: k) {
        let (re, im) = (a[2 * component], a[2 * component + 1])
        (result[2 * component], result[2 * component + 1]) = (c * re - s * im, s * re + c * im)
      }
    }
    return result
  }

  @Test("Products of rotated images with slices are those on circles")
  func productsAreThoseOnCircles() {
    let (degree, rank, angles) = (6, 2, 16)
    let (images, projections) = (
      randomRows(11, degree: degree, rank: rank, seed: 5),
      randomRows(4, degree: degree, rank: rank, seed: 6)
    )
    var products = RotationProducts(projections, angles: angles)
    for block in [0..<8, 8..<11] {
      products.setBlock(images, block)
      for image in block {
        products.rotate(image - block.lowerBound, of: block.count)
        for angle in 0..<angles {
          for projection in 0..<projections.count {
            let (even, odd) = products.withProducts {
              (
                $0[angle * projections.count + projection],
                $1[angle * projections.count + projection]
              )
            }
            for (shift, found) in [(angle, even + odd), (angle + angles, even - odd)] {
              let one = images.circles(
                of: image, rotatedBy: shift, ProjectionValues.circle(angles: angles))
              let other = projections.circles(
                of: projection, rotatedBy: 0, ProjectionValues.circle(angles: angles))
              let product = zip(one, other).reduce(0) { $0 + $1.0 * $1.1 } / Float(angles)
              #expect(abs(found - product) < 1e-4, "\(image) \(shift) \(projection)")
            }
          }
        }
      }
    }
  }

  /// Random rows; frequency 0 is real.
  private func randomRows(_ count: Int, degree: Int, rank: Int, seed: UInt64) -> AngularRows {
    let width = AngularRows(values: [], degree: degree, rank: rank).width
    var values = randomNormals(count * width, seed: seed).map { Float($0) }
    for row in 0..<count {
      for j in rank..<2 * rank { values[row * width + j] = 0 }
    }
    return AngularRows(values: values, degree: degree, rank: rank)
  }

  @Test(
    "Images are spread over slices and rotations by their distances on circles",
    arguments: [7, 16, 37])
  func placesAreByDistance(count: Int) throws {
    let (degree, rank, angles, spread) = (5, 2, 16, 30.0)
    let images = randomRows(19, degree: degree, rank: rank, seed: 15)
    let projections = randomRows(count, degree: degree, rank: rank, seed: 16)
    let places = try ProjectionPoses(
      images, on: projections, angles: angles, spread: spread, threads: 2,
      queue: NodeQueue(rounds: 1, on: testWorld()), comm: testWorld(),
      observer: SilentObserver())
    let circle = ProjectionValues.circle(angles: angles)
    let others = (0..<projections.count).map { projections.circles(of: $0, rotatedBy: 0, circle) }
    var weights = [Double](repeating: 0, count: projections.count)
    var sums = others.map { [Double](repeating: 0, count: $0.count) }
    for image in 0..<images.count {
      let rotated = (0..<2 * angles).map { images.circles(of: image, rotatedBy: $0, circle) }
      let parts = rotated.map { one in
        others.map { (other: [Float]) -> Double in
          var distance = 0.0
          for (a, b) in zip(one, other) { distance += Double((a - b) * (a - b)) }
          return exp(-distance / Double(angles) / (2 * spread))
        }
      }
      let all = parts.joined().reduce(0, +)
      for (values, part) in zip(rotated, parts) {
        for projection in 0..<projections.count {
          weights[projection] += part[projection] / all
          for i in values.indices {
            sums[projection][i] += part[projection] / all * Double(values[i])
          }
        }
      }
    }
    for projection in 0..<projections.count {
      #expect(abs(places.weights[projection] - weights[projection]) < 1e-3)
      let found = places.sums.circles(of: projection, rotatedBy: 0, circle)
      for (a, b) in zip(found, sums[projection]) { #expect(abs(Double(a) - b) < 1e-2) }
    }
  }

  @Test("A volume follows from images where they lie")
  func volumeFollowsFromItsSlices() throws {
    let (degree, rank, count) = (8, 2, 60)
    var values = randomNormals((degree + 1) * (degree + 1) * rank, seed: 3).map { Float($0) }
    for j in 0..<rank { values[j] = 0 }
    let volume = SimulatedVolume(coefficients: values, degree: degree, rank: rank)
    let orientations = (0..<count).map { RandomOrientation(image: $0, seed: 8) }
    // Every fifth projection is nobody's place.
    let weights = (0..<count).map { (at: Int) -> Double in
      at % 5 == 0 ? 0 : 1 + Double(at % 3) / 2
    }
    var projection = ProjectionValues(volume)
    var sums: [Float] = []
    for at in 0..<count {
      projection.fill(volume, orientation: orientations[at])
      for k in 0...degree {
        let z = projection.frequency(k)
        sums += z.map { Float(weights[at] * $0.0) }
        sums += z.map { Float(weights[at] * $0.1) }
      }
    }
    let places = ProjectionPoses(
      sums: AngularRows(values: sums, degree: degree, rank: rank), weights: weights)
    func solution(imageEnergy: Double, threads: Int = 2) throws -> [Float] {
      try ProjectionEquations(
        places, orientations, threads: threads, queue: NodeQueue(rounds: 1, on: testWorld()),
        comm: testWorld(), observer: SilentObserver()
      ).solution(
        energies: [Double](repeating: 1, count: degree + 1), imageEnergy: imageEnergy)
    }
    let found = try solution(imageEnergy: 1e-7)
    for (a, b) in zip(found, values) { #expect(abs(a - b) < 2e-3) }
    #expect(try solution(imageEnergy: 1e-7, threads: 1) == found)
    // What is not expected to have energy gets little.
    #expect(try solution(imageEnergy: 1e7).allSatisfy { abs($0) < 1e-2 })
  }

  @Test("Turned harmonics keep the covariance and come closest to the others")
  func alignmentIsTheBest() throws {
    let matrices = (0...5).map { l in
      l == 0 ? Matrix(rows: 3, columns: 3) : randomPositiveDefinite(3, floor: 0.1, seed: UInt64(l))
    }
    let target = try HarmonicRotations(of: matrices, seed: 21)
    var turned = try HarmonicRotations(of: matrices, seed: 22)
    try turned.align(to: target.coefficients(through: 5).map { Double($0) })
    // The target is one of them: nothing else has its inner product with itself.
    for (a, b) in zip(turned.coefficients(through: 5), target.coefficients(through: 5)) {
      #expect(abs(a - b) < 1e-3)
    }
    // Of any target, X_l stays what it is.
    try turned.align(to: randomNormals(36 * 3, seed: 9))
    let values = turned.coefficients(through: 5).map { Double($0) }
    for (l, matrix) in matrices.enumerated() where l > 0 {
      let part = Matrix(
        rows: 2 * l + 1, columns: 3, storage: Array(values[3 * l * l..<3 * (l + 1) * (l + 1)]))
      let found = (1 / Double(2 * l + 1)) * (part.transposed * part)
      let difference = found - matrix
      #expect(difference.innerProduct(difference).squareRoot() < 1e-4 * matrix.trace, "\(l)")
    }
  }
}
