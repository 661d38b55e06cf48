import Foundation
import ImageModel
import Report

/// What a run found in its images, in sentences for whoever took them.
enum Findings {
  /// - Parameters:
  ///   - model: what was fitted to the images.
  ///   - options: the run's, as recorded.
  static func text(of model: FittedModel, options: [String: JSONValue]) -> [String] {
    let (survey, findings) = (model.survey, model.survey.findings)
    let (background, extent) = (findings.background, findings.extent)
    let pixelSize = survey.particles.pixelSize
    func length(_ pixels: Double) -> String { String(format: "%.0f A", pixels * pixelSize) }
    func images(_ count: Int, _ one: String, _ many: String) -> String {
      count == 1 ? "1 image \(one)" : "\(Format.count(count)) images \(many)"
    }
    var lines: [String] = []
    if findings.isMasked {
      lines.append(
        "The images are masked: there is no noise around the particles. Its strength is taken from the finest "
          + "details, as if it were the same at all frequencies. Warning: probabilities do not hold, and there are none "
          + "unless they are asked for.")
    }
    if findings.colour > 1.2 && survey.noise.spectra.allSatisfy(\.isWhite) {
      lines.append(
        String(
          format:
            "Warning: the noise is %.1f times stronger at some spatial frequencies than at others, and was taken for "
            + "white. Probabilities do not hold.", findings.colour))
    } else if findings.colour > 1.2 {
      lines.append(
        String(
          format:
            "The noise is coloured: %.1f times stronger at some spatial frequencies than at others. "
            + "Images are whitened.", findings.colour))
    }
    if findings.passedShare > 0.85 && !findings.isMasked {
      lines.append(
        "Warning: nearly all of the noise has passed the CTF, as in images that were multiplied by their CTF. If they "
          + "were, set rlnCtfDataAreCtfPremultiplied in the optics table.")
    } else if findings.passedShare > 0.1 {
      lines.append(
        String(
          format: "%.0f %% of the noise has passed the CTF, as ice and other molecules have.",
          100 * findings.passedShare))
    }
    if findings.hasOtherPhases {
      lines.append(
        "Warning: the phases of the images do not look as the STAR file says: see rlnCtfDataArePhaseFlipped in the "
          + "optics table. Neighbours and probabilities may be wrong.")
    }
    if background.isPlane { lines.append("Backgrounds slope: a plane is taken off each image.") }
    if background.areScaled {
      lines.append(
        "The images differ in scale: each is divided by the standard deviation of its noise.")
    }
    if background.dusty > 0 {
      lines.append(
        "\(background.dusty) images have pixels that are far brighter or darker than noise; these are replaced by noise."
      )
    }
    if model.unexplained > 0 {
      lines.append(
        "\(images(model.unexplained, "is", "are")) far from all others (edges, ice, dust) and no part of the model of the "
          + "particle.")
    }
    lines += centring(survey)
    if extent.isCrowded {
      lines.append(
        "Other particles stand in the boxes, beyond \(length(extent.radius)) from the centre; they are left out."
      )
    }
    if extent.touchesEdge && options["radius"] == .null {
      lines.append(
        "The particle reaches the edge of its box: a larger box would show all of it.")
    }
    if model.areDark {
      lines.append(
        "The particles are dark; averages are \(model.outputScale < 0 ? "made white" : "dark too")."
      )
    }
    return lines
  }

  /// Where the particles lie in their boxes.
  private static func centring(_ survey: ImageSurvey) -> [String] {
    let (scatter, pixelSize) = (survey.centring.scatter, survey.particles.pixelSize)
    if scatter == 0 { return [] }
    let places = survey.particles.particles.map(\.displacement)
    let mean = places.reduce(SIMD2<Double>.zero) { $0 + SIMD2<Double>($1) } / Double(places.count)
    return [
      String(
        format:
          "The particles lie off the centres of their boxes, by (%.1f, %.1f) A on average and with a scatter of %.1f A along "
          + "either axis. They are centred (shift.npy). Warning: what is left of their shifts is not known, so that "
          + "probabilities do not hold; there are none unless they are asked for.",
        mean.x * pixelSize, mean.y * pixelSize, scatter * pixelSize)
    ]
  }
}
