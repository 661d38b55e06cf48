import LinearAlgebra
import MPI

/// How much `VolumeMatching` does, whatever the number of images.
public enum MatchingSize {
  /// The volume is as good after ten as after twenty.
  public static let rounds = 12
  /// Of a round, some 6 degrees from each other; four times as many make no better volume.
  public static let slices = 1024
  /// Class averages that are matched; half as many again make no better volume.
  public static let images = 256
  /// Degrees beyond this one stay random: views differ by the lower ones, and work grows with its cube.
  public static let degree = 24
}

/// Finds a volume whose projections are like given ones: of all volumes whose projections have one covariance
/// (`HarmonicRotations`), the one that explains them best.
///
/// Projection matching (Penczek, Grassucci, Frank 1994): each image takes the slice and the rotation in the plane
/// that fit it best by least squares, and the harmonics of each degree are turned to where the images are. It starts
/// from random rotations; each round has random orientations of its own, so that it does not keep to those of a poor
/// start. What it finds is the particle at low resolution, or its mirror image: enough to tell how its views differ.
/// A random volume has views that are all equally different, which those of long, flat or symmetric particles are not.
struct VolumeMatching {
  let correlation: ShellCorrelation
  let radial: RadialCoordinates
  let seed: UInt64
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver
  /// Slices in a round.
  var slices = MatchingSize.slices

  /// How an image lies among slices.
  private struct Place {
    /// c <image, slice> - |slice|^2 / 2: the larger the closer.
    var score = -Float.infinity
    var slice = 0
    /// By how many angles the image is rotated to lie like the slice.
    var shift = 0
  }

  /// Collective.
  /// - Parameter images: Fourier-Bessel coefficients less their mean over all orientations, component-major,
  ///   (re, im), one image after the other, the same on all ranks; with none the volume is a random one.
  /// - Throws: `LAPACKError`, `MPIError`.
  func volume(like images: [Float]) throws -> SimulatedVolume {
    var rotations = try HarmonicRotations(of: correlation.degrees, seed: seed)
    if images.isEmpty { return try volume(rotations) }
    let degree = min(correlation.degrees.count - 1, MatchingSize.degree)
    var volume = try volume(rotations, degree: degree)
    let circles = CircleImages(
      images, radial: radial, degree: degree, angles: SliceValues(volume).angles)
    for round in 0..<MatchingSize.rounds {
      let orientations = (0..<slices).map {
        RandomOrientation(image: round * slices + $0, seed: ~seed)
      }
      let places = try match(circles, with: makeSlices(of: volume, orientations))
      var sum = SliceSum(volume)
      for (image, place) in places.enumerated() {
        sum.add(circles.rotated(image, by: place.shift), orientation: orientations[place.slice])
      }
      try rotations.align(to: sum.coefficients)
      volume = try self.volume(rotations, degree: degree)
      observer.stageAdvanced(to: round + 1)
    }
    return try self.volume(rotations)
  }

  /// The degrees up to one, or all; equal on all ranks, even where their processors round differently. Collective.
  private func volume(_ rotations: HarmonicRotations, degree: Int? = nil) throws -> SimulatedVolume
  {
    let degree = degree ?? correlation.degrees.count - 1
    let coefficients = rotations.coefficients.prefix((degree + 1) * (degree + 1) * radial.rank)
    return SimulatedVolume(
      coefficients: try observer.communicating { try comm.broadcast(Array(coefficients)) },
      degree: degree, rank: radial.rank)
  }

  /// Slices as rows of `SliceValues.values`, on every rank; each rank makes a part of them. Collective.
  private func makeSlices(of volume: SimulatedVolume, _ orientations: [RandomOrientation]) throws
    -> [Float]
  {
    let own = Partition(of: orientations.count, among: comm.size).range(of: comm.rank)
    let width = 2 * volume.rank * SliceValues(volume).angles
    var result = [Float](repeating: 0, count: own.count * width)
    result.withUnsafeMutableBytes { result in
      nonisolated(unsafe) let result = result
      parallelFor(own.count, threads: threads, state: { Box(SliceValues(volume)) }) { slice, at in
        slice.value.fill(volume, orientation: orientations[own.lowerBound + at])
        slice.value.values.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: result[4 * width * at..<4 * width * (at + 1)])
            .copyMemory(from: $0)
        }
      }
    }
    return try observer.communicating { try comm.allgatherRagged(result) }
  }

  /// The best place of each image, on every rank; each rank matches a part of them. Collective.
  private func match(_ images: CircleImages, with slices: [Float]) throws -> [Place] {
    let (angles, width) = (images.angles, images.width)
    let count = slices.count / width
    let energies = (0..<count).map { at in
      slices[at * width..<(at + 1) * width].reduce(Float(0)) { $0 + $1 * $1 }
    }
    // Class averages are smaller than projections by what noise has left uncertain.
    let scale = (energies.reduce(0, +) / Float(count) / max(images.meanEnergy, 1e-30)).squareRoot()
    let own = Partition(of: images.count, among: comm.size).range(of: comm.rank)
    var places = [Place](repeating: Place(), count: own.count)
    slices.withUnsafeBufferPointer { slices in
      places.withUnsafeMutableBufferPointer { places in
        nonisolated(unsafe) let (slices, places) = (slices, places)
        parallelFor(own.count, threads: threads, state: { Box(RotationProducts(angles, count)) }) {
          products, at in
          products.value.fill(images, own.lowerBound + at, slices.baseAddress!)
          for shift in 0..<angles {
            for slice in 0..<count {
              let (even, odd) = products.value[shift, slice]
              // Half a turn more negates the odd degrees.
              let score = scale * (even + abs(odd)) - energies[slice] / 2
              if score > places[at].score {
                places[at] = Place(
                  score: score, slice: slice, shift: odd < 0 ? shift + angles : shift)
              }
            }
          }
        }
      }
    }
    let words = places.flatMap { [Int32($0.slice), Int32($0.shift)] }
    return try observer.communicating {
      let all = try comm.allgatherRagged(words)
      return (0..<images.count).map {
        Place(slice: Int(all[2 * $0]), shift: Int(all[2 * $0 + 1]))
      }
    }
  }
}

/// Inner products of an image, rotated by each of the angles of half a circle, with slices. One instance a thread.
private struct RotationProducts {
  private let angles: Int
  private let slices: Int
  private var rows: [Float] = []
  /// Of the even degrees, then of the odd ones, [shift][slice].
  private var products: [Float]

  init(_ angles: Int, _ slices: Int) {
    (self.angles, self.slices) = (angles, slices)
    products = .init(repeating: 0, count: 2 * angles * slices)
  }

  subscript(shift: Int, slice: Int) -> (even: Float, odd: Float) {
    products.withUnsafeBufferPointer {
      ($0[shift * slices + slice], $0[(angles + shift) * slices + slice])
    }
  }

  /// One image at a time: a product of one shape is the same on any number of ranks.
  mutating func fill(_ images: CircleImages, _ image: Int, _ others: UnsafePointer<Float>) {
    images.fillRotations(of: image, &rows)
    let half = images.width / 2
    rows.withUnsafeBufferPointer { rows in
      products.withUnsafeMutableBufferPointer { products in
        for parity in 0..<2 {
          multiply(
            rows.baseAddress! + parity * half, lda: 2 * half, others + parity * half,
            ldb: 2 * half, into: products.baseAddress! + parity * angles * slices, ldc: slices,
            m: angles, n: slices, k: half, transposeB: true)
        }
      }
    }
  }
}
