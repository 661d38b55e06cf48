import Foundation
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel
@testable import kindred

/// What a run says of images that are not as they should be.
@Suite(.serialized) struct FindingsTests {
  private let size = 32

  /// Turned blobs behind their CTFs, and noise.
  private func images(_ count: Int, contrast: Float = 1, areFlipped: Bool = false) -> (
    pixels: [[Float]], ctfs: [Double]
  ) {
    var optics = testOptics
    optics.isPhaseFlipped = areFlipped
    let noise = randomNormals(count * size * size, seed: 7)
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    let defoci = (0..<count).map { 8000 + 6000 * Double($0 % 3) }
    let pixels = (0..<count).map { image -> [Float] in
      let clean = blobs(size: size, turned: Double(image) * 0.7)
      for i in clean.indices { weighting.image[i] = contrast * clean[i] }
      weighting.apply(testCTF(defocus: defoci[image]), optics: optics)
      return clean.indices.map { weighting.image[$0] + Float(noise[image * size * size + $0]) }
    }
    return (pixels, defoci)
  }

  private func fit(
    _ images: (pixels: [[Float]], ctfs: [Double]), _ change: (inout ModelOptions) -> Void = { _ in }
  ) throws -> (model: FittedModel, findings: String) {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let set = try writeStack(
      images.pixels, size: size, ctfs: images.ctfs.map { testCTF(defocus: $0) }, in: folder,
      on: world)
    var options = ModelOptions()
    change(&options)
    let model = try FittedModel(set, options: options, on: world, observer: SilentObserver())
    return (model, Findings.text(of: model, options: ["radius": nil]).joined(separator: "\n"))
  }

  @Test("Of good images nothing alarming is said")
  func good() throws {
    let (model, findings) = try fit(images(200))
    #expect(!model.areDark && model.unexplained == 0 && model.outputScale == 1)
    for word in ["dark", "coloured", "slope", "scale", "masked", "phases", "far from"] {
      #expect(!findings.contains(word), "\(findings)")
    }
  }

  @Test("Averages of dark particles are white, unless their contrast is to be kept")
  func dark() throws {
    let (model, findings) = try fit(images(200, contrast: -3))
    #expect(model.areDark && model.outputScale == -1)
    #expect(findings.contains("The particles are dark; averages are made white."))
    let kept = try fit(images(200, contrast: -3)) { $0.keepsContrast = true }
    #expect(kept.model.areDark && kept.model.outputScale == 1)
    #expect(kept.findings.contains("averages are dark too"))
  }

  @Test("Slopes, scales and dust are told, and leave the model as it was")
  func backgrounds() throws {
    var set = images(200, contrast: 3)
    let plain = try fit(set).model
    let numbers = randomNumbers(600, seed: 12)
    for image in set.pixels.indices {
      for pixel in 0..<size * size {
        let (x, y) = (Float(pixel % size - size / 2), Float(pixel / size - size / 2))
        let slope = Float(numbers[3 * image] - 0.5) * x + Float(numbers[3 * image + 1] - 0.5) * y
        set.pixels[image][pixel] =
          Float(exp(numbers[3 * image + 2])) * (set.pixels[image][pixel] + slope)
      }
      if image % 10 == 0 { set.pixels[image][37] = 1e10 }
    }
    let (model, findings) = try fit(set)
    #expect(findings.contains("Backgrounds slope"))
    #expect(findings.contains("differ in scale"))
    #expect(findings.contains("20 images have pixels that are far brighter or darker than noise"))
    #expect(abs(model.survey.noiseVariance - 1) < 0.1)
    // The images are those without, but for what noise the fits have added.
    #expect(abs(model.survey.radius - plain.survey.radius) <= 2)
    let (ours, theirs) = (model.estimate.covariance[2].trace, plain.estimate.covariance[2].trace)
    #expect(abs(ours / theirs - 1) < 0.25, "\(ours) \(theirs)")
  }

  @Test("Phases that are flipped, of which the STAR file knows nothing, are told")
  func flipped() throws {
    #expect(try !fit(images(300, contrast: 8)).findings.contains("phases"))
    let (model, findings) = try fit(images(300, contrast: 8, areFlipped: true))
    #expect(findings.contains("phases of the images do not look as the STAR file says"))
    #expect(model.survey.findings.hasOtherPhases)
  }

  @Test("Images that were multiplied by their CTF, of which the STAR file knows nothing, are told")
  func premultiplied() throws {
    var set = images(300, contrast: 3)
    #expect(try !fit(set).findings.contains("rlnCtfDataAreCtfPremultiplied"))
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    for image in set.pixels.indices {
      for i in 0..<size * size { weighting.image[i] = set.pixels[image][i] }
      weighting.apply(testCTF(defocus: set.ctfs[image]), optics: testOptics)
      set.pixels[image] = (0..<size * size).map { weighting.image[$0] }
    }
    #expect(try fit(set).findings.contains("set rlnCtfDataAreCtfPremultiplied"))
  }
}
