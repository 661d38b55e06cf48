import Execution
import Foundation
import MPI

/// How much `VolumeMatching` does, whatever the number of images.
public enum MatchingSize {
  /// Rounds with the degrees up to one; images are spread by exp(-|image - projection|^2 / 2 t), t falling geometrically
  /// from the first to the last of `spread`, in units of the images' mean energy.
  public static let stages: [(degree: Int, rounds: Int, spread: (first: Double, last: Double))] = [
    (6, 6, (0.1, 0.02)), (10, 6, (0.04, 0.01)), (degree, 6, (0.01, 0.004)),
  ]
  /// Of all stages.
  public static let rounds = stages.reduce(0) { $0 + $1.rounds }
  /// Of a round, some 9 degrees from each other.
  public static let projections = 512
  /// Class averages that are matched.
  public static let images = 1000
  /// Degrees of the volume: views differ by the lower ones, and work grows with its fourth power.
  public static let degree = 24
}

/// Finds a volume whose projections are like given ones.
///
/// Each image is spread over projections and rotations in the plane by how well they fit (maximum likelihood; Sigworth
/// 1998), and the volume is the one that explains the images there best by least squares (`ProjectionEquations`), of any
/// covariance: bound to one it does not come to rest even from the particle itself. From random starts it finds the
/// particle at low resolution, or its mirror image, for images are spread widely at first and less in each round
/// (deterministic annealing; Ueda, Nakano 1998), over a volume of low degrees at first.
struct VolumeMatching {
  package let correlation: ShellCorrelation
  package let radial: RadialCoordinates
  package let seed: UInt64
  package let threads: Int
  package let comm: Communicator
  package let observer: any StageObserver
  /// Slices in a round.
  package var projections = MatchingSize.projections

  private var highest: Int { correlation.degrees.count - 1 }

  /// Of the volume found.
  var degree: Int {
    min(highest, MatchingSize.stages.reduce(0) { max($0, $1.degree) })
  }

  /// The volume whose projections explain images best; nil where they are none, or averages of nothing. Collective.
  /// - Parameter images: Fourier-Bessel coefficients less their mean over all orientations, component-major,
  ///   (re, im), one image after the other, the same on all ranks.
  /// - Throws: `LAPACKError`, `MPIError`.
  package func volume(like images: [Float]) throws -> SimulatedVolume? {
    // For each round its images, then its projections.
    let queue = try observer.communicating {
      try NodeQueue(rounds: 2 * MatchingSize.rounds, on: comm)
    }
    let energies = correlation.degrees.enumerated().map { Double(2 * $0 + 1) * $1.trace }
    let all = AngularRows(images, radial: radial, degree: degree)
    var volume: SimulatedVolume?
    var round = 0
    for stage in MatchingSize.stages {
      let degree = min(highest, stage.degree)
      let rows = all.prefix(degree: degree)
      let energy =
        rows.energies.reduce(0) { $0 + Double($1) } / Double(max(1, rows.count))
      if energy == 0 { return nil }
      var coefficients =
        try volume?.coefficients
        // The mean energy of projections is that of the harmonics over 4 pi.
        ?? random(degree: degree, energy: 4 * .pi * energy, of: energies)
      let width = (degree + 1) * (degree + 1) * radial.rank
      coefficients += [Float](repeating: 0, count: width - coefficients.count)
      for step in 0..<stage.rounds {
        let orientations = (0..<projections).map {
          RandomOrientation(image: round * projections + $0, seed: ~seed)
        }
        let current = try shared(coefficients, degree: degree)
        let made = try makeProjections(of: current, orientations)
        let part = Double(step) / Double(max(1, stage.rounds - 1))
        let spread = stage.spread.first * pow(stage.spread.last / stage.spread.first, part)
        let placed = try ProjectionPoses(
          rows, on: made, angles: ProjectionValues(current).angles, spread: spread * energy,
          threads: threads, queue: queue, comm: comm, observer: observer)
        coefficients = try ProjectionEquations(
          placed, orientations, threads: threads, queue: queue, comm: comm, observer: observer
        ).solution(energies: energies, imageEnergy: energy)
        round += 1
        try observer.stageAdvanced(to: round)
      }
      volume = try shared(coefficients, degree: degree)
    }
    return volume
  }

  /// Of all volumes whose projections have the covariance (`HarmonicRotations`) the one nearest to `volume`, or with
  /// none a random one; degrees beyond its own are random. Collective.
  ///
  /// Class averages leave out what is uncertain; the covariance knows of it. Random volumes have views that are all
  /// equally different, which those of long, flat or symmetric particles are not.
  /// - Throws: `LAPACKError`, `MPIError`.
  func withCovariance(_ volume: SimulatedVolume?) throws -> SimulatedVolume {
    var rotations = try HarmonicRotations(of: correlation.degrees, seed: seed)
    if let volume { try rotations.align(to: volume.coefficients.map { Double($0) }) }
    return try shared(rotations.coefficients(through: highest), degree: highest)
  }

  /// A volume to start from, with this energy in all, spread over its degrees like `energies`.
  private func random(degree: Int, energy: Double, of energies: [Double]) throws -> [Float] {
    let all = energies.prefix(degree + 1).reduce(0, +)
    let scale = Float((energy / max(all, .leastNormalMagnitude)).squareRoot())
    return try HarmonicRotations(of: correlation.degrees, seed: seed)
      .coefficients(through: degree).map { scale * $0 }
  }

  /// Equal on all ranks, even where their processors round differently. Collective.
  private func shared(_ coefficients: [Float], degree: Int) throws -> SimulatedVolume {
    SimulatedVolume(
      coefficients: try observer.communicating { try comm.broadcast(coefficients) },
      degree: degree, rank: radial.rank)
  }

  /// Slices, on every rank; each rank makes a part of them. Collective.
  private func makeProjections(of volume: SimulatedVolume, _ orientations: [RandomOrientation])
    throws
    -> AngularRows
  {
    let own = Partition(of: orientations.count, among: comm.size).range(of: comm.rank)
    let width = AngularRows(values: [], degree: volume.degree, rank: volume.rank).width
    var rows = [Float](repeating: 0, count: own.count * width)
    WorkerPool(threads: threads, items: own.count) { ProjectionValues(volume) }
      .forEachRow(0..<own.count, of: &rows, width: width) { projection, at, row in
        projection.fill(volume, orientation: orientations[own.lowerBound + at])
        for k in 0...volume.degree {
          let start = 2 * k * volume.rank
          for (j, z) in projection.frequency(k).enumerated() {
            row[start + j] = Float(z.0)
            row[start + volume.rank + j] = Float(z.1)
          }
        }
      }
    return AngularRows(
      values: try observer.communicating { try comm.allgatherRagged(rows) },
      degree: volume.degree, rank: volume.rank)
  }
}
