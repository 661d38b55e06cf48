import Execution
import MPI

/// Particle images of a known map at known orientations.
///
/// Image i is the projection at `Orientation.random(image: i, seed:)`, filtered by the CTF of its
/// defocus group, scaled and with white noise of variance 1 added. It depends on the parameters and
/// on i only, not on the number of ranks; only the map's transform can differ in its last bits,
/// in double precision, between numbers of ranks.
public enum Simulation {
  /// What a simulation found out.
  public struct Summary: Sendable {
    /// The factor on the map's projections that gives the signal-to-noise ratio.
    public let scale: Double
    /// The edge of the images in pixels.
    public let boxSize: Int
  }

  /// Simulates a stack and writes it to `folder`. Collective; each rank makes a contiguous share of
  /// the images, and rank 0 writes them.
  ///
  /// - Parameters:
  ///   - parameters: what is simulated.
  ///   - map: the particle's density.
  ///   - folder: where the files go.
  ///   - overwrite: whether a simulation that is in the folder may be replaced.
  ///   - comm: the ranks that take part.
  ///   - observer: is told of the stages; a rank's items are its own images.
  /// - Throws: `ReportedError` on every rank, after a message, when the parameters make no sense
  ///   (`SimulationError`), the map cannot be read (`InputError`) or the folder cannot be written
  ///   (`OutputError`); `MPIError`.
  @discardableResult
  public static func run(
    _ parameters: SimulationParameters, map: some DensityMap, folder: SimulationFolder,
    overwrite: Bool = false, on comm: Communicator,
    observer: any StageObserver = SilentObserver()
  ) throws -> Summary {
    let writer = try comm.agree { () throws -> SimulationWriter? in
      try parameters.validate()
      guard map.boxSize >= SimulationParameters.smallestBox else {
        throw SimulationError(
          "box of \(map.boxSize) pixels: at least \(SimulationParameters.smallestBox) are needed")
      }
      guard comm.size <= parameters.images else {
        throw SimulationError(
          "more ranks than images: \(comm.size) ranks for \(parameters.images) images")
      }
      guard comm.isRoot else { return nil }
      try folder.prepare(overwrite: overwrite)
      return try SimulationWriter(folder: folder, parameters: parameters, boxSize: map.boxSize)
    }
    let own = Partition(of: parameters.images, among: comm.size).range(of: comm.rank).count
    observer.stageBegan("map", items: 0)
    let spectrum = try VolumeSpectrum.transform(map, on: comm)
    let renderer = ImageRenderer(parameters, boxSize: map.boxSize)
    observer.stageEnded()
    observer.stageBegan("signal", items: own)
    let scale = try signalScale(renderer, spectrum, parameters, on: comm, observer: observer)
    observer.stageEnded()
    observer.stageBegan(StageName.images, items: own)
    try write(
      renderer, spectrum, scale: scale, parameters, writer: writer, on: comm, observer: observer)
    observer.stageEnded()
    try comm.agree { try writer?.finish() }
    return Summary(scale: scale, boxSize: map.boxSize)
  }

  /// The factor on the projections that gives the signal-to-noise ratio for noise of variance 1. The
  /// images' sums are added in the images' order, so that it does not depend on the ranks.
  private static func signalScale(
    _ renderer: ImageRenderer, _ spectrum: borrowing VolumeSpectrum,
    _ parameters: SimulationParameters, on comm: Communicator, observer: any StageObserver
  ) throws -> Double {
    var moments: [Double] = []
    for image in Partition(of: parameters.images, among: comm.size).range(of: comm.rank) {
      let (sum, squares) = renderer.moments(image, spectrum)
      moments += [sum, squares]
      try observer.stageAdvanced(to: moments.count / 2)
    }
    let all = try observer.communicating { try comm.gatherRagged(moments) }
    let scale = try comm.agree { () throws -> Double in
      guard comm.isRoot else { return 0 }
      let pixels = Double(parameters.images * renderer.boxSize * renderer.boxSize)
      let sums = stride(from: 0, to: all.count, by: 2).reduce(SIMD2<Double>.zero) {
        $0 + SIMD2(all[$1], all[$1 + 1])
      }
      let mean = sums[0] / pixels
      let variance = sums[1] / pixels - mean * mean
      guard variance > 0, variance.isFinite else {
        throw SimulationError(
          "the CTF-filtered projections of the map have variance \(variance): nothing is seen")
      }
      return (parameters.signalToNoiseRatio / variance).squareRoot()
    }
    return try comm.broadcast([scale])[0]
  }

  /// Makes the images in pieces of some megabytes. After each piece all ranks know whether rank 0
  /// could write it, so that none goes on for nothing.
  private static func write(
    _ renderer: ImageRenderer, _ spectrum: borrowing VolumeSpectrum, scale: Double,
    _ parameters: SimulationParameters, writer: SimulationWriter?, on comm: Communicator,
    observer: any StageObserver
  ) throws {
    let pixels = renderer.boxSize * renderer.boxSize
    let partition = Partition(of: parameters.images, among: comm.size)
    let pieceLength = max(1, pieceBytes / (pixels * MemoryLayout<Float>.stride))
    let rounds = (partition.range(of: 0).count + pieceLength - 1) / pieceLength
    for round in 0..<rounds {
      func piece(of rank: Int) -> Range<Int> {
        let range = partition.range(of: rank)
        let start = min(range.lowerBound + round * pieceLength, range.upperBound)
        return start..<min(start + pieceLength, range.upperBound)
      }
      var (particles, clean) = renderer.render(
        piece(of: comm.rank), spectrum, scale: scale)
      var failure: (any Error)?
      for rank in 0..<comm.size {
        let range = piece(of: rank)
        if comm.isRoot {
          if rank > 0 {
            (particles, clean) = try observer.communicating {
              (
                try receive(range.count * pixels, from: rank, tag: .particles, on: comm),
                try receive(range.count * pixels, from: rank, tag: .cleanImages, on: comm)
              )
            }
          }
          // Others still send after a failure.
          guard failure == nil else { continue }
          do {
            try particles.withUnsafeBufferPointer { particles in
              try clean.withUnsafeBufferPointer { clean in
                try writer?.write(particles: particles, clean: clean, first: range.lowerBound)
              }
            }
          } catch {
            failure = error
          }
        } else if rank == comm.rank {
          try observer.communicating {
            try comm.send(particles, to: 0, tag: .particles)
            try comm.send(clean, to: 0, tag: .cleanImages)
          }
        }
      }
      try comm.agree { if let failure { throw failure } }
      try observer.stageAdvanced(
        to: piece(of: comm.rank).upperBound - partition.range(of: comm.rank).lowerBound)
    }
  }

  private static let pieceBytes = 4 << 20

  private static func receive(
    _ count: Int, from rank: Int, tag: MessageTag, on comm: Communicator
  ) throws -> [Float] {
    var values = [Float](repeating: 0, count: count)
    try values.withUnsafeMutableBufferPointer {
      _ = try comm.receive(into: $0, from: rank, tag: tag)
    }
    return values
  }
}
