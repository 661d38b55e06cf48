import Execution
import LinearAlgebra
import MPI
import ParticleIO

/// The model of the clean images fitted to a data set, and this rank's images in it: what averaging and
/// denoising both start from.
public struct FittedModel {
  /// What the first pass over the images found.
  public let survey: ImageSurvey
  /// How the images that take part are shared among the ranks.
  public let partition: Partition
  /// The defocus groups of all images that take part.
  public let groups: DefocusGroups
  /// The Fourier-Bessel basis, of the survey's radius and band limit.
  public let basis: FourierBesselBasis
  /// Mean and covariance of the clean images in the Fourier-Bessel basis (method E.3).
  public let estimate: MeanAndCovariance
  /// The same in principal coordinates, one at least, and every group's posterior covariance (method E.4).
  public let posterior: PosteriorModel
  /// The sufficient statistics b of this rank's images, in principal coordinates.
  public let statistics: SteerableCoefficients

  /// The groups of this rank's images.
  public func ownGroups(_ comm: Communicator) -> ArraySlice<Int32> {
    groups.groupOfParticle[partition.range(of: comm.rank)]
  }

  /// Reads the images twice: once for the survey, once for their coefficients. Collective.
  /// - Parameters:
  ///   - set: the particles.
  ///   - options: how they are modelled.
  ///   - comm: the ranks that take part.
  ///   - observer: told how far the stages are.
  ///   - stop: asked between blocks of images.
  /// - Throws: `Interruption` on all ranks, where the run was asked to stop; `ReportedError` on all ranks, after one message, where options and images do not fit together;
  ///   `InputError` on the rank whose stack cannot be read; `LAPACKError`; `MPIError`.
  public init(
    _ set: ParticleSet, options: ModelOptions, on comm: Communicator,
    observer: any StageObserver, stop: StopRequest? = nil
  ) throws {
    try comm.agree {
      try options.validate()
      // Leaves it one thread: by itself OpenBLAS takes all cores for each of a node's ranks.
      try reserveBLASMemory(threads: options.threads)
    }
    let survey = try ImageSurvey(
      of: set, options: options.survey, on: comm, observer: observer, stop: stop)
    self.survey = survey
    let particles = survey.particles
    partition = Partition(of: particles.particles.count, among: comm.size)
    let own = partition.range(of: comm.rank)
    let basis = FourierBesselBasis(
      size: set.boxSize, bandLimit: survey.bandLimit, radius: survey.radius)
    try comm.agree {
      if basis.layout.componentCount == 0 {
        throw ModelError.emptyBasis(radius: survey.radius, bandLimit: survey.bandLimit)
      }
    }
    self.basis = basis

    observer.stageBegan(StageName.coefficients, items: own.count)
    let coefficients = try Self.coefficients(
      of: own, survey: survey, basis: basis, threads: options.threads, observer: observer,
      stop: stop)
    try stop?.throwIfAgreed()
    observer.stageEnded()

    observer.stageBegan(StageName.covariance, items: own.count)
    groups = DefocusGroups(
      of: particles.particles, pixelSize: set.pixelSize, limit: options.defocusGroups)
    let model = ImageModel(basis: basis, groups: groups)
    let moments = try GroupMoments(
      of: coefficients, groups: groups.groupOfParticle[own], groupCount: groups.count,
      imageCount: particles.particles.count, on: comm, observer: observer)
    estimate = try MeanAndCovariance(
      moments: moments, model: model, noiseVariance: survey.noiseVariance,
      shrinkage: options.shrinkage, on: comm)
    posterior = try PosteriorModel(
      estimate: estimate, model: model, noiseVariance: survey.noiseVariance)
    let components = posterior.layout.componentCount
    try comm.agree {
      if components == 0 { throw ModelError.noSignal(noiseVariance: survey.noiseVariance) }
    }
    statistics = posterior.sufficientStatistics(
      of: coefficients, groups: groups.groupOfParticle[own])
    observer.stageEnded()
  }

  /// B^T A^T y of the images of `range`.
  private static func coefficients(
    of range: Range<Int>, survey: ImageSurvey, basis: FourierBesselBasis, threads: Int,
    observer: any StageObserver, stop: StopRequest?
  ) throws -> SteerableCoefficients {
    let set = survey.particles
    let size = set.boxSize
    let pixels = size * size
    var result = SteerableCoefficients(layout: basis.layout, count: range.count)
    let stride = basis.layout.componentCount * 2
    let normalizer = BackgroundNormalizer(size: size, radius: Double(size / 2))
    let isNormalizing = survey.statistics.needsNormalization
    let workers = WorkerPool(threads: threads) {
      AnalysisWorker(
        analysis: SteerableAnalysis(basis: basis),
        weighting: CTFWeighting(size: size, pixelSize: set.pixelSize))
    }
    try ParticleReader(set).forEachChunk(of: range, images: 16 * 8 * threads, stop: stop) {
      chunk, input in
      let input = SharedPointer(input)
      let firstGroup = (chunk.lowerBound - range.lowerBound) / 16
      let groups = firstGroup..<firstGroup + (chunk.count + 15) / 16
      workers.forEachRow(groups, of: &result.lanes, width: stride) { worker, group, lanes in
        for lane in 0..<16 {
          let i = (group - firstGroup) * 16 + lane
          if i >= chunk.count {
            worker.analysis.clear(lane: lane)
            continue
          }
          let particle = set.particles[chunk.lowerBound + i]
          worker.weighting.image.update(
            from: input.pointer.baseAddress! + i * pixels, count: pixels)
          if isNormalizing { normalizer.apply(to: worker.weighting.image) }
          worker.weighting.apply(
            particle.ctf, optics: set.opticsGroups[Int(particle.opticsGroup)])
          worker.analysis.load(worker.weighting.image, lane: lane)
        }
        worker.analysis.analyze(into: lanes.baseAddress!)
      }
      try observer.stageAdvanced(to: chunk.upperBound - range.lowerBound)
    }
    return result
  }
}

/// What one thread needs to turn images into coefficients.
private struct AnalysisWorker {
  let analysis: SteerableAnalysis
  let weighting: CTFWeighting
}

/// Brings an image's background to mean 0 and variance 1, as `relion_preprocess --norm` does.
struct BackgroundNormalizer {
  private let background: [Int]
  private let pixels: Int

  /// - Parameter radius: pixels; the background lies outside.
  init(size: Int, radius: Double) {
    pixels = size * size
    background = (0..<size * size).filter {
      let (row, column) = ($0 / size - size / 2, $0 % size - size / 2)
      return Double(row * row + column * column) > radius * radius
    }
  }

  func apply(to image: UnsafeMutablePointer<Float>) {
    var (sum, squares) = (0.0, 0.0)
    for i in background {
      sum += Double(image[i])
      squares += Double(image[i]) * Double(image[i])
    }
    let mean = sum / Double(background.count)
    let variance = squares / Double(background.count) - mean * mean
    let scale = variance > 0 ? Float(1 / variance.squareRoot()) : 1
    for i in 0..<pixels { image[i] = (image[i] - Float(mean)) * scale }
  }
}
