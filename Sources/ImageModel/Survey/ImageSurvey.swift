import Execution
import MPI
import ParticleIO

/// The first looks at the images: which are of no use, their backgrounds, their noise, and how far the particle's signal
/// reaches in space and in frequency.
public struct ImageSurvey: Sendable {
  /// The particles that take part, in the STAR file's order.
  public internal(set) var particles: ParticleSet
  /// Where each of them stands in the STAR file, counted from 0.
  public internal(set) var originalIndex: [Int32]
  /// Particles left out: index in the STAR file from 0, and why.
  public let leftOut: [(particle: Int, defect: ParticleDefect)]
  /// Means over a sample of the images that take part, whitened.
  public internal(set) var statistics: ImageStatistics
  /// How each image is prepared before it is whitened.
  let preparation: ImagePreparation
  /// The noise of the prepared images.
  public let noise: NoiseModel
  /// The variance of the noise of a pixel, in squared units of the images as they are; where their scales differ, of
  /// the images once they have one.
  public let noiseVariance: Double
  /// The variance of the noise once images are whitened: 1, or more or less where another one was given than was
  /// measured.
  package let whiteVariance: Double
  /// Cycles per pixel, at most 1/2.
  public internal(set) var bandLimit: Double
  /// The particle's radius in pixels.
  public internal(set) var radius: Double
  /// What there is to say of the images.
  public internal(set) var findings: SurveyFindings
  /// How far the particles' centring has come.
  public package(set) var centring = CentringState()

  /// Images that noise, radius and band limit are measured in; more would tell no more.
  package static let sampleSize = 20_000

  /// They are looked at again where the particle's radius is below this share of the box.
  package static let closerBelow = 0.43

  /// What prepared images' pixels are multiplied by to be in units of the images as they are; 1 where these differ in
  /// scale.
  var unit: Double { findings.background.areScaled ? 1 : preparation.unit }

  /// Looks at every image once, and at a sample of them twice or four times. Collective.
  /// - Throws: `Interruption` on all ranks, where the run was asked to stop; `ReportedError` on all ranks, after one message, for options that the images contradict, for
  ///   no usable image and, with `isStrict`, for bad particles, of which the first is named; `InputError` on
  ///   the rank whose stack cannot be read.
  public init(
    of set: ParticleSet, options: SurveyOptions, on comm: Communicator,
    observer: any StageObserver, stop: StopRequest? = nil
  ) throws {
    let size = set.boxSize
    try comm.agree {
      if let radius = options.radius, !(radius >= 2 && radius <= Double(size) / 2) {
        throw SurveyError.radius(radius, halfBox: Double(size) / 2)
      }
      if let variance = options.noiseVariance, !(variance > 0) {
        throw SurveyError.noNoise(variance: variance)
      }
      if let limit = options.bandLimit, !(limit > 0 && limit <= 0.5) {
        throw SurveyError.bandLimit(limit)
      }
    }
    func pass(_ set: ParticleSet, _ originalIndex: [Int32]) -> ImagePass {
      ImagePass(
        set: set, originalIndex: originalIndex, threads: options.threads, comm: comm, stop: stop)
    }
    let everything = pass(set, set.particles.indices.map { Int32($0) })
    observer.stageBegan(StageName.survey, items: everything.own.count)
    let groups = NoiseGroups.ofOptics(set)
    let outer = options.radius ?? Double(size / 2)
    let background = try BackgroundSurvey(
      everything, radius: outer, groups: groups,
      progress: observer.stageAdvanced)
    let leftOut = background.leftOut
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
    let originalIndex = kept.map { Int32($0) }
    self.originalIndex = originalIndex
    let particles = isBad.isEmpty ? set : set.selecting(kept)
    self.particles = particles

    let sample = ImagePass.sample(of: kept.count, atMost: Self.sampleSize)
    let few = pass(
      sample.count == kept.count ? particles : particles.selecting(sample),
      sample.map { originalIndex[$0] })
    // The variance of noise in units of the files, where images have one scale; else of their own noise.
    let unit = background.findings.areScaled ? 1 : background.preparation.unit
    let looks = SurveyLooks(
      few, groups: groups, choice: options.noise)
    var look = try looks.look(
      background.preparation, radius: outer, fineVariance: background.findings.fineVariance)
    // With the particle's own radius there is more background to fit.
    var preparation = background.preparation
    if options.radius == nil, !preparation.isMasked, look.extent.radius < looks.closerBelow {
      preparation.radius = look.extent.radius + 2
      look = try looks.look(
        preparation, radius: preparation.radius, fineVariance: background.findings.fineVariance)
    }
    self.preparation = preparation
    noise = look.noise
    statistics = look.statistics
    noiseVariance =
      options.noiseVariance ?? look.measuredVariance * unit * unit
    whiteVariance = options.noiseVariance.map { $0 / (look.measuredVariance * unit * unit) } ?? 1
    radius = options.radius ?? look.extent.radius
    bandLimit =
      options.bandLimit
      ?? SignalBand.limit(
        look.statistics.signalToNoise(), size: size)
    findings = SurveyFindings(
      background: background.findings, extent: look.extent, isMasked: preparation.isMasked,
      colour: look.spectra.map { $0.colour(size: size) }.max() ?? 1,
      passedShare: look.spectra.map(\.passedShare).max() ?? 0,
      hasOtherPhases: look.statistics.phases?.areOtherwise ?? false)
    observer.stageEnded()
  }

  init(
    particles: ParticleSet, originalIndex: [Int32],
    leftOut: [(particle: Int, defect: ParticleDefect)], statistics: ImageStatistics,
    preparation: ImagePreparation, noise: NoiseModel, noiseVariance: Double, whiteVariance: Double,
    bandLimit: Double,
    radius: Double, findings: SurveyFindings
  ) {
    (self.particles, self.originalIndex, self.leftOut) = (particles, originalIndex, leftOut)
    (self.statistics, self.preparation, self.noise) = (statistics, preparation, noise)
    (self.noiseVariance, self.whiteVariance) = (noiseVariance, whiteVariance)
    (self.bandLimit, self.radius) = (bandLimit, radius)
    self.findings = findings
  }
}
