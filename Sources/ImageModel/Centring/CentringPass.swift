import Execution
import Fourier
import MPI
import ParticleIO

/// One look at the images of some particles for where these lie.
package struct CentringPass {
  /// What is known of an image beside its pixels, by its place among the particles.
  package typealias KnownOfImage = @Sendable (Int) throws -> ShiftLikelihood.Known

  /// Particles where they are taken to lie before anything is found.
  var pass: ImagePass
  let preparation: ImagePreparation
  let noise: NoiseModel
  let posterior: PosteriorModel
  let filters: ShiftFilters
  package let grid: ShiftGrid
  /// Of each particle, among the groups of the posterior.
  let groups: [Int32]

  /// - Parameters:
  ///   - pass: the particles.
  ///   - preparation: of their images.
  ///   - noise: of these.
  ///   - model: what is known of images of their kind; it need not be of these.
  ///   - grid: displacements.
  init(
    pass: ImagePass, preparation: ImagePreparation, noise: NoiseModel, model: FittedModel,
    grid: ShiftGrid
  ) {
    (self.pass, self.preparation, self.noise, self.grid) = (pass, preparation, noise, grid)
    posterior = model.posterior
    filters = ShiftFilters(model.posterior, basis: model.basis)
    groups = model.groups.nearest(to: pass.set.particles)
  }

  /// Nothing but mean and covariance of all images.
  var population: KnownOfImage {
    { [groups, covariance = posterior.covariance] in
      .init(group: Int(groups[$0]), covariance: covariance[Int(groups[$0])])
    }
  }

  /// What `body` makes of the log-likelihoods of each image of this rank's share, at the points of the grid.
  /// - Throws: `InputError` on the rank whose stack cannot be read; `Interruption` on all ranks.
  package func map<Result: Sendable>(
    known: KnownOfImage, _ body: @Sendable ([Float], Int) -> Result
  ) throws -> [Result] {
    let (set, own, threads) = (pass.set, pass.own, pass.threads)
    let (size, lanes) = (set.boxSize, SteerableCoefficients.laneGroupSize)
    let pixels = size * size
    var results: [Result] = []
    results.reserveCapacity(own.count)
    let centre = GridCentre(size: size)
    let workers = WorkerPool(threads: threads) {
      CentringWorker(
        preparer: ImagePreparer(preparation),
        weighting: CTFWeighting(size: size, pixelSize: set.pixelSize, noise: noise),
        likelihood: ShiftLikelihood(posterior, filters: filters, size: size, grid: grid))
    }
    try ParticleReader(set).forEachChunk(
      of: own, images: lanes * 8 * threads, stop: pass.stop
    ) { chunk, input in
      let input = SharedPointer(input)
      let groups = (chunk.count + lanes - 1) / lanes
      let found = try workers.map(groups) {
        [noise, originalIndex = pass.originalIndex, grid] worker, group -> [Result] in
        let images = group * lanes..<min((group + 1) * lanes, chunk.count)
        var facts: [ShiftLikelihood.Known] = []
        for i in images {
          let at = chunk.lowerBound + i
          let particle = set.particles[at]
          let optics = Int(particle.opticsGroup)
          worker.preparer.prepare(
            input.pointer.baseAddress! + i * pixels, into: worker.weighting.image,
            index: Int(originalIndex[at]), group: noise.groupOfOptics[optics],
            noisePassed: worker.weighting.noisePassed(
              particle.ctf, optics: set.opticsGroups[optics]))
          let likelihood = worker.likelihood
          worker.weighting.apply(
            particle.ctf, group: optics, optics: set.opticsGroups[optics],
            displacement: particle.displacement
          ) { spectrum, _ in
            likelihood.load(spectrum, centre.phases, size: size, lane: i - images.lowerBound)
          }
          facts.append(try known(at))
        }
        worker.likelihood.score(facts)
        return images.map { i in
          let lane = i - images.lowerBound
          let scores = grid.interpolated {
            worker.likelihood.scores[$0 * grid.width + $1][lane]
          }
          return body(scores, chunk.lowerBound + i)
        }
      }
      for part in found { results += part }
    }
    try pass.stop?.throwIfAgreed()
    return results
  }
}

/// What one thread needs.
private struct CentringWorker {
  let preparer: ImagePreparer
  let weighting: CTFWeighting
  let likelihood: ShiftLikelihood
}
