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
    let rows = AngularRows(images, radial: radial, degree: degree)
    let angles = SliceValues(volume).angles
    for round in 0..<MatchingSize.rounds {
      let orientations = (0..<slices).map {
        RandomOrientation(image: round * slices + $0, seed: ~seed)
      }
      let places = match(rows, with: try makeSlices(of: volume, orientations), angles: angles)
      try rotations.align(to: sum(of: rows, at: places, orientations, like: volume, angles: angles))
      volume = try self.volume(rotations, degree: degree)
      observer.stageAdvanced(to: round + 1)
    }
    return try self.volume(rotations)
  }

  /// The degrees up to one, or all; equal on all ranks, even where their processors round differently. Collective.
  private func volume(_ rotations: HarmonicRotations, degree: Int? = nil) throws -> SimulatedVolume
  {
    let degree = degree ?? correlation.degrees.count - 1
    let coefficients = rotations.coefficients(through: degree)
    return SimulatedVolume(
      coefficients: try observer.communicating { try comm.broadcast(coefficients) },
      degree: degree, rank: radial.rank)
  }

  /// Slices, on every rank; each rank makes a part of them. Collective.
  private func makeSlices(of volume: SimulatedVolume, _ orientations: [RandomOrientation]) throws
    -> AngularRows
  {
    let own = Partition(of: orientations.count, among: comm.size).range(of: comm.rank)
    let width = AngularRows(values: [], degree: volume.degree, rank: volume.rank).width
    var rows = [Float](repeating: 0, count: own.count * width)
    rows.withUnsafeMutableBufferPointer { rows in
      nonisolated(unsafe) let rows = rows
      parallelFor(own.count, threads: threads, state: { Box(SliceValues(volume)) }) { slice, at in
        slice.value.fill(volume, orientation: orientations[own.lowerBound + at])
        for k in 0...volume.degree {
          let start = at * width + 2 * k * volume.rank
          for (j, z) in slice.value.frequency(k).enumerated() {
            rows[start + j] = Float(z.0)
            rows[start + volume.rank + j] = Float(z.1)
          }
        }
      }
    }
    return AngularRows(
      values: try observer.communicating { try comm.allgatherRagged(rows) },
      degree: volume.degree, rank: volume.rank)
  }

  /// This rank's part of the images, by blocks of a size that does not depend on the ranks.
  private func ownBlocks(of images: AngularRows) -> [Range<Int>] {
    let size = RotationProducts.block
    return Partition(of: (images.count + size - 1) / size, among: comm.size).range(of: comm.rank)
      .map { $0 * size..<min(images.count, ($0 + 1) * size) }
  }

  /// All images put into the volume as the slices where they lie, on every rank; each rank puts its own. Collective.
  /// - Parameter places: of this rank's images.
  private func sum(
    of images: AngularRows, at places: [Place], _ orientations: [RandomOrientation],
    like volume: SimulatedVolume, angles: Int
  ) throws -> [Double] {
    let blocks = ownBlocks(of: images)
    // No harmonic is larger than sqrt((2 l + 1) / 4 pi), no circle than all frequencies together.
    let largest = images.values.reduce(0) { max($0, abs($1)) }
    let frequencies = Double(volume.degree + 1)
    let bound =
      Double(largest) * Double(RotationProducts.block * angles) * 4 * frequencies * frequencies
    // At most: a term is a block of images.
    var result = FixedPointSum(
      count: volume.coefficients.count, bound: bound, terms: images.count)
    let circle = SliceValues.circle(angles: angles)
    var sums = [[Double]](repeating: [], count: blocks.count)
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      parallelFor(blocks.count, threads: threads, state: { 0 }) { _, at in
        var sum = SliceSum(volume)
        for image in blocks[at] {
          let place = places[image - blocks[0].lowerBound]
          sum.add(
            images.circles(of: image, rotatedBy: place.shift, circle),
            orientation: orientations[place.slice])
        }
        sums[at] = sum.coefficients
      }
    }
    for sum in sums { result.add(sum) }
    return try observer.communicating { try result.reduced(over: comm) }
  }

  /// The best place of each of this rank's images.
  private func match(_ images: AngularRows, with slices: AngularRows, angles: Int) -> [Place] {
    let energies = slices.energies
    func mean(_ values: [Float]) -> Float { values.reduce(0, +) / Float(max(1, values.count)) }
    // Class averages are smaller than projections by what noise has left uncertain.
    let scale = (mean(energies) / max(mean(images.energies), 1e-30)).squareRoot()
    let blocks = ownBlocks(of: images)
    var places = [Place](repeating: Place(), count: blocks.reduce(0) { $0 + $1.count })
    places.withUnsafeMutableBufferPointer { places in
      nonisolated(unsafe) let places = places
      parallelFor(
        blocks.count, threads: threads, state: { Box(RotationProducts(slices, angles: angles)) }
      ) { products, at in
        let block = blocks[at]
        products.value.setBlock(images, block)
        for image in block {
          products.value.rotate(image - block.lowerBound, of: block.count)
          var best = Place()
          for angle in 0..<angles {
            for slice in energies.indices {
              let (even, odd) = products.value[angle, slice]
              // Half a turn more negates the odd frequencies.
              let score = scale * (even + abs(odd)) - energies[slice] / 2
              if score > best.score {
                best = Place(score: score, slice: slice, shift: odd < 0 ? angle + angles : angle)
              }
            }
          }
          places[image - blocks[0].lowerBound] = best
        }
      }
    }
    return places
  }
}
