import Execution
import MPI
import ParticleIO

/// The first pass over the images: bad particles, noise, normalisation, radius and band limit.
public struct ImageSurvey: Sendable {
  /// The particles that take part, in the STAR file's order.
  public let particles: ParticleSet
  /// Where each of them stands in the STAR file, counted from 0.
  public let originalIndex: [Int32]
  /// Particles left out: index in the STAR file from 0, and why.
  public let leftOut: [(particle: Int, defect: ParticleDefect)]
  /// Sums over the images that take part.
  public let statistics: ImageStatistics
  /// sigma^2 of the white noise of a pixel, as given; otherwise as measured, after normalisation where the
  /// images need it.
  public let noiseVariance: Double
  /// Cycles per pixel, at most 1/2.
  public let bandLimit: Double
  /// The particle's radius in pixels.
  public let radius: Double

  /// Looks at every image once. Collective.
  /// - Throws: `Interruption` on all ranks, where the run was asked to stop; `ReportedError` on all ranks, after one message, for options that the images contradict, for
  ///   no usable image and, with `isStrict`, for bad particles, of which the first is named; `InputError` on
  ///   the rank whose stack cannot be read.
  public init(
    of set: ParticleSet, options: SurveyOptions, on comm: Communicator,
    observer: any StageObserver, stop: StopRequest? = nil
  ) throws {
    let size = set.boxSize
    let partition = Partition(of: set.particles.count, among: comm.size)
    let own = partition.range(of: comm.rank)
    try comm.agree {
      if let radius = options.radius, !(radius >= 2 && radius <= Double(size) / 2) {
        throw SurveyError.radius(radius, halfBox: Double(size) / 2)
      }
      if let limit = options.bandLimit, !(limit > 0 && limit <= 0.5) {
        throw SurveyError.bandLimit(limit)
      }
    }
    let outer = options.radius ?? Double(size / 2)
    observer.stageBegan(StageName.survey, items: own.count)
    var profiles: [ImageProfile] = []
    let backgroundPixels = ImageProfiler(
      size: size, pixelSize: set.pixelSize, radius: outer
    ).backgroundPixels
    // Not inside `agree`: a stack that fails half-way ends the job at once, and the other ranks need not
    // come to the end of their slices first.
    try ParticleReader(set).forEachChunk(of: own, images: 64 * options.threads, stop: stop) {
      range, pixels in
      let pixels = SharedPointer(pixels)
      profiles += WorkerPool(threads: options.threads, items: range.count) {
        ImageProfiler(size: size, pixelSize: set.pixelSize, radius: outer)
      }.map(range.count) { profiler, i in
        let particle = set.particles[range.lowerBound + i]
        return profiler.measure(
          pixels.pointer.baseAddress! + i * size * size, ctf: particle.ctf,
          optics: set.opticsGroups[Int(particle.opticsGroup)])
      }
      try observer.stageAdvanced(to: profiles.count)
    }
    try stop?.throwIfAgreed()
    let bad = profiles.enumerated().flatMap { at, profile in
      profile.defect.map { [Int64(own.lowerBound + at), Int64($0.rawValue)] } ?? []
    }
    let allBad = try observer.communicating { try comm.allgatherRagged(bad) }
    let leftOut = stride(from: 0, to: allBad.count, by: 2).map {
      (particle: Int(allBad[$0]), defect: ParticleDefect(rawValue: Int(allBad[$0 + 1]))!)
    }
    self.leftOut = leftOut
    let isBad = Set(leftOut.map(\.particle))
    let kept = set.particles.indices.filter { !isBad.contains($0) }
    try comm.agree {
      if options.isStrict, let first = leftOut.first {
        throw SurveyError.badParticles(
          first: set.error(
            particle: first.particle, "has a defect: \(first.defect.description)"),
          count: leftOut.count, of: set.particles.count)
      }
      if kept.isEmpty {
        throw InputError(file: set.starFile, "none of the \(set.particles.count) images is usable")
      }
    }
    originalIndex = kept.map { Int32($0) }
    particles = isBad.isEmpty ? set : set.selecting(kept)
    statistics = try ImageStatistics.sum(
      profiles, backgroundPixels: backgroundPixels, size: size,
      mayNormalize: options.noiseVariance == nil, on: comm)
    let noise = options.noiseVariance ?? statistics.noiseVariance
    try comm.agree {
      if !(noise > 0) { throw SurveyError.noNoise(variance: noise) }
    }
    noiseVariance = noise
    bandLimit =
      options.bandLimit
      ?? statistics.bandLimit(share: options.signalShare, size: size, noiseVariance: noise)
    radius =
      options.radius
      ?? statistics.radius(share: options.signalShare, size: size, noiseVariance: noise)
    observer.stageEnded()
  }
}
