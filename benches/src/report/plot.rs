//! Plots as SVG: lines over a logarithmic horizontal axis. No font is needed to draw one; who shows it has one.

use std::error::Error;
use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color as _, IntoDrawingArea as _, IntoFont as _, LineSeries,
    PathElement, RGBColor, Ranged, SVGBackend, Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::axis::{Axis, Scale};

/// A plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Below its horizontal axis.
    pub x_title: String,
    /// How the values stand on the vertical axis.
    pub scale: Scale,
    /// The lines, in the order of the legend.
    pub lines: Vec<PlotLine>,
}

/// One line of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotLine {
    /// In the legend.
    pub name: String,
    /// Horizontal and vertical value of each point.
    pub points: Vec<(f64, f64)>,
}

/// Two of them stand side by side on a page.
const SIZE: (u32, u32) = (480, 320);
/// Told apart by those who see no red or no green as well.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 86, 86),
];
const GREY: RGBColor = RGBColor(215, 215, 215);
const FONT: &str = "sans-serif";
/// Height of the title, and of the legend below it.
const TITLE_HEIGHT: i32 = 34;
const LEGEND_HEIGHT: i32 = 26;
/// Where the legend begins, and the room of each name in it.
const LEGEND_AT: i32 = 62;
const LEGEND_STEP: i32 = 120;
/// Points do not touch the frame.
const MARGIN: f64 = 0.04;

impl Plot {
    /// The plot as the text of an SVG file, on a white background.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn svg(&self) -> Result<String, Box<dyn Error>> {
        let mut text = String::new();
        self.draw(&mut text)?;
        Ok(text)
    }

    fn draw(&self, text: &mut String) -> Result<(), Box<dyn Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Axis::new(Scale::Logarithmic, points().map(|(x, _)| *x)).with_margin(MARGIN);
        let y = Axis::new(self.scale, points().map(|(_, y)| *y));

        let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        // A size here is that of a line; the letters are smaller.
        let font = |size: i32| (FONT, size).into_font().color(&BLACK);
        let centred = font(20).pos(Pos::new(HPos::Center, VPos::Center));
        let middle = i32::try_from(SIZE.0 / 2)?;
        root.draw(&Text::new(
            self.title.clone(),
            (middle, TITLE_HEIGHT / 2),
            centred,
        ))?;
        for ((line, colour), place) in self.lines.iter().zip(COLOURS.iter().cycle()).zip(0..) {
            let (left, top) = (
                LEGEND_AT + place * LEGEND_STEP,
                TITLE_HEIGHT + LEGEND_HEIGHT / 2,
            );
            let dash = [(left, top), (left + 22, top)];
            root.draw(&PathElement::new(dash, colour.stroke_width(2)))?;
            root.draw(&Circle::new((left + 11, top), 3, colour.filled()))?;
            let beside = font(17).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(line.name.clone(), (left + 28, top), beside))?;
        }

        let mut chart = ChartBuilder::on(&root)
            .margin_top(TITLE_HEIGHT + LEGEND_HEIGHT)
            .margin_right(16)
            .margin_bottom(6)
            .margin_left(4)
            .x_label_area_size(46)
            .y_label_area_size(58)
            .build_cartesian_2d(Marked(x.clone()), Marked(y.clone()))?;
        chart
            .configure_mesh()
            .bold_line_style(GREY)
            .max_light_lines(0)
            .x_desc(self.x_title.as_str())
            .x_labels(x.ticks.len())
            .y_labels(y.ticks.len())
            .label_style(font(16))
            .axis_desc_style(font(17))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let placed: Vec<(f64, f64)> = line
                .points
                .iter()
                .filter_map(|&(at, value)| Some((x.position(at)?, y.position(value)?)))
                .collect();
            chart.draw_series(LineSeries::new(placed.clone(), colour.stroke_width(2)))?;
            chart.draw_series(
                placed
                    .into_iter()
                    .map(|point| Circle::new(point, 3, colour.filled())),
            )?;
        }
        root.present()?;
        Ok(())
    }
}

/// An axis as plotters knows them: with the marks that it has, and no others.
struct Marked(Axis);

impl Ranged for Marked {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, pixels: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(position, pixels)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.0.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.0.range.clone()
    }
}

impl ValueFormatter<f64> for Marked {
    fn format(position: &f64) -> String {
        position.to_string()
    }

    fn format_ext(&self, position: &f64) -> String {
        self.0.label(*position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_title_its_legend_and_a_mark_for_each_point() {
        let line = |name: &str, points: &[(f64, f64)]| PlotLine {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let plot = Plot {
            title: "getData per second".to_owned(),
            x_title: "znodes & more".to_owned(),
            scale: Scale::Logarithmic,
            lines: vec![
                line("ours", &[(10.0, 1.0), (100.0, 20.0)]),
                line("theirs", &[(10.0, 3.0), (100.0, 0.0)]),
            ],
        };
        let svg = plot.svg().unwrap();
        for text in ["getData per second", "znodes &amp; more", "ours", "theirs"] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        // One mark in each legend; the zero has no place on the axis.
        assert_eq!(svg.matches("<circle").count(), 2 + 3, "{svg}");
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
    }

    #[test]
    fn nothing_measured_is_an_empty_plot() {
        let plot = Plot {
            title: String::new(),
            x_title: String::new(),
            scale: Scale::Linear,
            lines: Vec::new(),
        };
        assert!(plot.svg().is_ok());
    }
}
