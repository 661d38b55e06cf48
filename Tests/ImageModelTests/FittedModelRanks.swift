import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct FittedModelRanks {
  private let size = 24

  /// Turned blobs behind their CTFs, and noise; image 11 is bad.
  private func images(_ count: Int, ctfs: [CTFParameters]) -> [[Float]] {
    let noise = randomNormals(count * size * size, seed: 7)
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    return (0..<count).map { image in
      let clean = blobs(size: size, turned: Double(image) * 0.7)
      for i in clean.indices { weighting.image[i] = clean[i] }
      weighting.apply(ctfs[image], optics: testOptics)
      var pixels = clean.indices.map {
        3 * weighting.image[$0] + 0.6 * Float(noise[image * size * size + $0])
      }
      if image == 11 { pixels[40] = .nan }
      return pixels
    }
  }

  @Test("The fit has the same bits at any number of ranks and threads")
  func sameBits() throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let count = 150
    let ctfs = (0..<count).map { testCTF(defocus: 8000 + 2500 * Double($0 % 3)) }
    let folder = try TemporaryFolder()
    let set = try writeStack(
      images(count, ctfs: ctfs), size: size, ctfs: ctfs, in: folder, on: world)
    var options = ModelOptions()
    options.radius = 9
    let lonely = try FittedModel(set, options: options, on: alone, observer: SilentObserver())
    options.threads = 2
    let together = try FittedModel(set, options: options, on: world, observer: SilentObserver())

    #expect(together.partition.total == count - 1 && together.survey.leftOut.count == 1)
    #expect(together.survey.noiseVariance == lonely.survey.noiseVariance)
    #expect(abs(together.survey.noiseVariance / 0.36 - 1) < 0.05)
    #expect(together.survey.bandLimit == lonely.survey.bandLimit)
    #expect(together.groups.groupOfParticle == lonely.groups.groupOfParticle)
    #expect(together.estimate.mean == lonely.estimate.mean)
    #expect(together.estimate.covariance == lonely.estimate.covariance)
    #expect(together.estimate.ranks == lonely.estimate.ranks)
    #expect(together.posterior.layout.frequencies.count > 3)
    #expect(together.posterior.synthesis == lonely.posterior.synthesis)
    #expect(together.posterior.information == lonely.posterior.information)
    let slice = together.partition.range(of: world.rank)
    #expect(together.ownGroups(world) == lonely.groups.groupOfParticle[slice])
    for image in slice {
      for component in 0..<lonely.statistics.layout.componentCount {
        let mine = together.statistics.value(image: image - slice.lowerBound, component: component)
        let other = lonely.statistics.value(image: image, component: component)
        #expect(mine == other)
      }
    }
    try world.barrier()
  }

  @Test("Denoised images are near the clean ones, each in its place")
  func denoising() throws {
    let world = try testWorld()
    let count = 300
    let ctfs = (0..<count).map { testCTF(defocus: 8000 + 2500 * Double($0 % 3)) }
    let folder = try TemporaryFolder()
    let noisy = images(count, ctfs: ctfs)
    let set = try writeStack(noisy, size: size, ctfs: ctfs, in: folder, on: world)
    var options = ModelOptions()
    options.radius = 9
    let model = try FittedModel(set, options: options, on: world, observer: SilentObserver())
    let synthesis = ImageSynthesis(
      model.posterior, basis: model.basis, scale: model.outputScale)
    let images = CollectedImages(pixels: size * size, on: world)
    try DenoisePipeline(model: model, on: world, observer: SilentObserver()).stream(
      synthesis, into: images)
    let denoised = images.all
    let parallel = CollectedImages(pixels: size * size, on: world)
    try DenoisePipeline(model: model, threads: 3, on: world, observer: SilentObserver()).stream(
      synthesis, into: parallel)
    #expect(parallel.all == denoised)
    #expect(images.order == (world.isRoot ? (0..<Int64(count - 1)).map { $0 } : []))
    if world.isRoot {
      var (error, energy) = (0.0, 0.0)
      for (at, original) in model.survey.originalIndex.enumerated() {
        let clean = blobs(size: size, turned: Double(original) * 0.7)
        for i in clean.indices {
          let difference = Double(denoised[at * size * size + i] - 3 * clean[i])
          error += difference * difference
          energy += 9 * Double(clean[i] * clean[i])
        }
      }
      #expect(error / energy < 0.12)
    }
    try world.barrier()
  }
}
