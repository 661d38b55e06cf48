import Foundation
import Fourier
import LinearAlgebra
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct CentringRanks {
  private let size = 48
  private let count = 240

  /// Blobs, turned and reflected, away from the centre by a phase ramp, behind their CTFs, and noise.
  private func images(_ places: [SIMD2<Float>], noise deviation: Float) -> (
    images: [[Float]], ctfs: [CTFParameters]
  ) {
    let ctfs = (0..<count).map { testCTF(defocus: 8000 + 2500 * Double($0 % 3)) }
    let noise = randomNormals(count * size * size, seed: 23)
    let angles = randomNumbers(count, seed: 24)
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    return (
      (0..<count).map { image in
        let clean = blobs(
          size: size, turned: .pi * angles[image], reflected: image % 2 == 1,
          scale: image % 3 == 0 ? 1.25 : 1)
        for i in clean.indices { weighting.image[i] = 2 * clean[i] }
        weighting.apply(ctfs[image], optics: testOptics, displacement: -places[image])
        return (0..<size * size).map {
          weighting.image[$0] + deviation * Float(noise[image * size * size + $0])
        }
      }, ctfs
    )
  }

  private func options() -> ModelOptions {
    var options = ModelOptions()
    options.radius = 11
    return options
  }

  private func places(scatter: Float) -> [SIMD2<Float>] {
    let numbers = randomNormals(2 * count, seed: 31).map { scatter * Float($0) }
    return (0..<count).map {
      SIMD2(max(-3, min(3, numbers[2 * $0])), max(-3, min(3, numbers[2 * $0 + 1])))
    }
  }

  /// Every displacement of the coarser grid against coefficients and posterior of the image that was moved there.
  @Test("The likelihood of a displacement is that of the image moved back")
  func likelihood() throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let folder = try TemporaryFolder()
    let (pixels, ctfs) = images(places(scatter: 1), noise: 0.5)
    let set = try writeStack(pixels, size: size, ctfs: ctfs, in: folder, on: world)
    let model = try FittedModel(set, options: options(), on: alone, observer: SilentObserver())
    let posterior = model.posterior
    let grid = ShiftGrid(limit: 3, bandLimit: model.basis.bandLimit)
    let likelihood = ShiftLikelihood(
      posterior, filters: ShiftFilters(posterior, basis: model.basis), size: size, grid: grid)
    let centre = GridCentre(size: size).phases
    let preparer = ImagePreparer(model.survey.preparation)
    let weighting = CTFWeighting(size: size, pixelSize: 3, noise: model.survey.noise)
    let width = 2 * posterior.layout.componentCount
    let class_ = randomNormals(width, seed: 3).map { Float(2 * $0) }
    let tested = [5, 17]
    var known: [ShiftLikelihood.Known] = []
    for (lane, image) in tested.enumerated() {
      preparer.prepare(pixels[image], into: weighting.image, index: image, group: 0)
      weighting.apply(ctfs[image], optics: testOptics) { spectrum, _ in
        likelihood.load(spectrum, centre, size: size, lane: lane)
      }
      let group = Int(model.groups.groupOfParticle[image])
      known.append(
        lane == 0
          ? .init(group: group, covariance: posterior.covariance[group])
          : .init(
            group: group, statistic: class_,
            covariance: try posterior.information[group].map {
              try Cholesky(.identity($0.rows) + 3 * $0).inverse()
            }))
    }
    likelihood.score(known)

    let analysis = SteerableAnalysis(basis: model.basis)
    var errors = 0.0
    var spread = 0.0
    for (lane, image) in tested.enumerated() {
      var direct: [Double] = []
      var fast: [Double] = []
      for (row, column) in [(0, 0), (-2, 1), (3, 3), (1, -3), (0, 2)] {
        let shift = SIMD2(
          Float(Double(column) * grid.spacing), Float(Double(row) * grid.spacing))
        preparer.prepare(pixels[image], into: weighting.image, index: image, group: 0)
        weighting.apply(ctfs[image], optics: testOptics, displacement: shift)
        for other in 0..<16 { analysis.clear(lane: other) }
        analysis.load(weighting.image, lane: 0)
        var coefficients = SteerableCoefficients(layout: model.basis.layout, count: 1)
        coefficients.lanes.withUnsafeMutableBufferPointer {
          analysis.analyze(into: $0.baseAddress!)
        }
        let b = posterior.sufficientStatistics(
          of: coefficients, groups: [Int32(known[lane].group)])
        var sum = 0.0
        for (q, mean) in posterior.mean.enumerated() {
          sum += mean * Double(coefficients.value(image: 0, component: q).re)
        }
        for block in 0..<posterior.layout.blockCount {
          let components = posterior.layout.components(ofBlock: block)
          for part in 0..<2 {
            let u = components.map { component -> Double in
              let value = b.value(image: 0, component: component)
              return Double(part == 0 ? value.re : value.im)
                + (lane == 0 || posterior.layout.frequencies[block] == 0 && part == 1
                  ? 0 : Double(class_[2 * component + part]))
            }
            sum += zip(u, known[lane].covariance[block].times(u)).reduce(0) { $0 + $1.0 * $1.1 } / 2
          }
        }
        direct.append(sum)
        fast.append(
          Double(likelihood.scores[(row + grid.reach) * grid.width + column + grid.reach][lane]))
      }
      for i in 1..<direct.count {
        errors = max(errors, abs((fast[i] - fast[0]) - (direct[i] - direct[0])))
        spread = max(spread, abs(direct[i] - direct[0]))
      }
    }
    // Filters are sums over the box, coefficients over the plane: their tails beyond the box differ.
    #expect(spread > 5 && errors < 1e-2 * spread, "\(errors) of \(spread)")
    try world.barrier()
  }

  @Test("Particles are found where they lie, on any number of ranks")
  func displaced() throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let folder = try TemporaryFolder()
    let places = places(scatter: 1.2)
    let (pixels, ctfs) = images(places, noise: 0.4)
    let set = try writeStack(pixels, size: size, ctfs: ctfs, in: folder, on: world)
    func found(_ comm: Communicator, _ set: ParticleSet, threads: Int = 1) throws -> ImageSurvey {
      var options = options()
      options.threads = threads
      return try Centring(of: set, options: options, on: comm, observer: SilentObserver())
        .model().survey
    }
    let survey = try found(world, set, threads: 2)
    let lonely = try found(alone, set)
    #expect(survey.particles.particles == lonely.particles.particles)
    #expect(survey.bandLimit == lonely.bandLimit && survey.centring == lonely.centring)
    func error(_ survey: ImageSurvey) -> Double {
      let squares = zip(survey.particles.particles, places).map { particle, place in
        let e = SIMD2<Double>(particle.displacement - place)
        return (e * e).sum() / 2
      }
      return (squares.reduce(0, +) / Double(count)).squareRoot()
    }
    let before = places.reduce(0.0) { $0 + Double(($1 * $1).sum()) / 2 } / Double(count)
    #expect(abs(survey.centring.scatter - 1.2) < 0.4, "\(survey.centring.scatter)")
    #expect(error(survey) < 0.6 * before.squareRoot(), "\(error(survey))")

    // What the file says is where the search begins, and it is right already.
    let told = try found(world, set.displaced(by: places))
    #expect(told.centring.scatter == 0 && error(told) == 0)
    try world.barrier()
  }

  @Test("Particles that are centred stay where they are, and nothing is looked for if not asked")
  func centred() throws {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let (pixels, ctfs) = images(.init(repeating: .zero, count: count), noise: 0.4)
    let set = try writeStack(pixels, size: size, ctfs: ctfs, in: folder, on: world)
    var options = options()
    let centring = Centring(of: set, options: options, on: world, observer: SilentObserver())
    let survey = try centring.model().survey
    #expect(survey.centring == CentringState())
    #expect(survey.particles.particles.allSatisfy { $0.displacement == .zero })

    let far = set.displaced(by: places(scatter: 1.2))
    options.largestShift = 0
    let left = try Centring(of: far, options: options, on: world, observer: SilentObserver())
      .model().survey
    #expect(left.particles.particles == far.particles)
    try world.barrier()
  }
}
