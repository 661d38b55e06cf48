import ClassAveraging
import Foundation
import ParticleIO
import TestSupport
import Testing

@testable import Planning
@testable import Report

/// What the first looks at the images, and the model fitted to them, cost.
extension PlanTests {
  /// By hand: after a first look at all images, every so many of them, 20,000 at most, are looked at again for four times
  /// as long; twice where the particle's radius is below 0.43 of 65 pixels, 27.95.
  @Test func theSurveyLooksAgainAtASample() throws {
    let pixels: Double = 65 * 65 * 1.8e-8
    for (images, sampled) in [
      (4000, 4000), (20_000, 20_000), (30_000, 15_000), (50_001, 16_667), (1_000_000, 20_000),
    ] {
      var job = job(images: images)
      for (radius, looks) in [(28.0, 1), (27.9, 2)] {
        job.radius = radius
        let expected = Double(images + 4 * looks * sampled) * pixels
        let survey = try stage("survey", job)
        #expect(abs(survey.shared / expected - 1) < 1e-12)
        // What was found of all images is compared on every rank.
        #expect(abs(survey.repeated / (80 * Double(images) * 1.8e-8) - 1) < 1e-12)
      }
    }
    // A larger box has no more pixels that medians are taken of.
    var large = PlannedJob(images: 1000, box: 200, bandLimit: 0.1, components: 10)
    large.radius = 100
    let expected = (0.7 * 40_000 + 0.3 * 16_000) * 5000 * 1.8e-8
    #expect(abs(try stage("survey", large).shared / expected - 1) < 1e-12)
    // Profiles of 5 x 47 and 10 x 33 numbers, a fourth more with their room: all of 2,000 images, none beyond 20,000.
    func survey(_ images: Int) throws -> Double { try stage("survey", job(images: images)).memory }
    let (few, many) = (try survey(4000) - survey(2000), try survey(2_000_000) - survey(1_000_000))
    #expect(abs(few / (2000 * (130 + 1.25 * (8 * 565 + 300))) - 1) < 0.01)
    #expect(abs(many / (1e6 * (130 + 180 + 150)) - 1) < 1e-9)
  }

  /// By hand, of 2 and 1 functions at two frequencies with a component each: 5 / 2 products and 3 of projections, and
  /// for the distances 5 / 2 and 120 for each frequency, which simulated images have not.
  @Test func imagesDistancesAreInTheCovariance() throws {
    func covariance(_ name: String, _ images: Int) throws -> CostModel.Stage {
      var job = job(images: images)
      (job.basis, job.components) = ([2, 1], [1, 1])
      return try stage(name, job)
    }
    for (name, products, compared) in [
      ("covariance", 2.5 + 3 + 2.5 + 240, 240.0), ("calibration/covariance", 5.5, 0),
    ] {
      let (few, many) = (try covariance(name, 100_000), try covariance(name, 200_000))
      #expect(abs((many.shared - few.shared) / (1e5 * products * 2.5e-9) - 1) < 1e-9, "\(name)")
      #expect(abs((many.repeated - few.repeated) - 1e5 * compared * 2.5e-9) < 1e-9, "\(name)")
    }
  }

  /// From the times that a model gives, its constants.
  @Test func aCalibrationFindsTheConstantsAgain() {
    var machine = Machine.builtIn
    machine.surveyPixel *= 2
    machine.analysisOperation *= 3
    let samples = [(3_333, 60), (10_000, 10)].map { images, neighbours in
      var job = job(images: images)
      (job.neighbours, job.passes, job.rounds, job.probabilities) = (neighbours, 2, 0, .formula)
      let stages = CostModel(machine: machine).stages(job, ranks: 2)
      let ranks = (0..<2).map { rank in
        stages.map {
          StageTable.Measurement(
            wall: 1, communication: 0, peakBytes: 0,
            processor: $0.shared / 2 + $0.repeated + (rank == 0 ? $0.root : 0))
        }
      }
      return Calibration.Sample(
        job: job, table: StageTable(names: stages.map(\.name), measurements: ranks), writing: 1,
        eigenimages: 1)
    }
    let found = Calibration.fit(
      samples[0], samples[1], matrixProductRate: 1 / machine.productOperation)
    #expect(abs(found.surveyPixel / machine.surveyPixel - 1) < 1e-9)
    #expect(abs(found.analysisOperation / machine.analysisOperation - 1) < 1e-9)
    #expect(abs(found.momentProduct / machine.momentProduct - 1) < 1e-6)
    #expect(abs(found.modelStep / machine.modelStep - 1) < 1e-6)
  }
}
