import type { Choice, Tone } from "./product-phrases.ts";

/** What a letter may be for; anything else is `other`. */
export const occasions = [
  "thanks",
  "birthday",
  "congratulations",
  "apology",
  "invitation",
  "farewell",
  "other",
] as const;
export type Occasion = (typeof occasions)[number];

/** The sentences of a language; a letter has one of each. */
export type LetterPhrases = {
  /** To whom nobody has named. */
  anyone: string;
  greetings: Record<Tone, (recipient: string) => string>;
  openings: Record<Occasion, Choice<string>>;
  /** In front of what the caller wants to say. */
  about: Choice<string>;
  closings: Record<Occasion, Choice<string>>;
  ends: Record<Tone, string>;
  subject: (label: string) => string;
};

export const englishLetter: LetterPhrases = {
  anyone: "Hello,",
  greetings: {
    plain: (to) => `Dear ${to},`,
    warm: (to) => `Dearest ${to},`,
    formal: (to) => `Dear ${to},`,
    playful: (to) => `Hey ${to}!`,
    luxury: (to) => `My dear ${to},`,
  },
  openings: {
    thanks: ["I have been meaning to write this for a while: thank you, truly."],
    birthday: ["Happy birthday! May the year ahead be kind to you, and full of good company."],
    congratulations: ["Congratulations! You have earned this, and I could not be happier for you."],
    apology: ["I owe you an apology, and I would rather give it plainly than let it wait."],
    invitation: ["I would be delighted if you could join us."],
    farewell: ["Goodbyes are never easy to write, so let me begin with how much I will miss you."],
    other: [
      "I hope that this letter finds you well.",
      "It has been a while, and there is something that I would like to tell you.",
    ],
  },
  about: ["What I want to say is this:", "Here is what is on my mind:", "This is why I write:"],
  closings: {
    thanks: ["It meant more than I can put in a letter, and I will not forget it."],
    birthday: ["Save a piece of cake for me. I raise my glass to you today."],
    congratulations: ["Enjoy every minute of it. I look forward to what you will do next."],
    apology: ["I hope that we can put this right. Tell me how, and I will."],
    invitation: ["Please let me know whether you can come. It would not be the same without you."],
    farewell: ["This is no ending. Write to me soon, and take good care of yourself."],
    other: [
      "I look forward to hearing from you.",
      "Write to me when you find a quiet moment. I would love to read from you.",
    ],
  },
  ends: {
    plain: "Best regards,",
    warm: "With love,",
    formal: "Yours sincerely,",
    playful: "Cheers,",
    luxury: "With my finest regards,",
  },
  subject: (label) => `Subject: ${label}`,
};

export const persianLetter: LetterPhrases = {
  anyone: "سلام،",
  greetings: {
    plain: (to) => `${to} گرامی،`,
    warm: (to) => `${to} عزیزم،`,
    formal: (to) => `${to} ارجمند،`,
    playful: (to) => `سلام ${to}!`,
    luxury: (to) => `${to} بزرگوار،`,
  },
  openings: {
    thanks: ["مدت‌ها بود می‌خواستم این را بنویسم: از صمیم قلب سپاسگزارم."],
    birthday: ["تولدت مبارک! امیدوارم سال پیش رو برایت پر از مهربانی و همراهان خوب باشد."],
    congratulations: ["تبریک می‌گویم! شایسته‌اش بودید و از این خبر بسیار خوشحال شدم."],
    apology: ["یک عذرخواهی به شما بدهکارم و می‌خواهم آن را ساده و بی‌درنگ بگویم."],
    invitation: ["باعث خوشحالی ماست که در کنارمان باشید."],
    farewell: ["نوشتن از خداحافظی آسان نیست؛ پس از دلتنگی‌ام شروع می‌کنم."],
    other: [
      "امیدوارم این نامه در حال خوش به دستتان برسد.",
      "مدتی گذشته است و چیزی هست که می‌خواهم برایتان بگویم.",
    ],
  },
  about: ["حرف دلم این است:", "آنچه می‌خواهم بگویم:", "برای این می‌نویسم:"],
  closings: {
    thanks: ["ارزش کارتان بیش از آن است که در یک نامه بگنجد و هرگز فراموشش نمی‌کنم."],
    birthday: ["یک تکه کیک هم برای من نگه دار. امروز به یادت هستم."],
    congratulations: ["از لحظه‌لحظه‌اش لذت ببرید. چشم‌به‌راه کارهای بعدی‌تان هستم."],
    apology: ["امیدوارم بتوانیم جبرانش کنیم. بگویید چگونه، انجام می‌دهم."],
    invitation: ["لطفاً خبر دهید که می‌توانید بیایید یا نه. بدون شما صفایی ندارد."],
    farewell: ["این پایان نیست. زود برایم بنویسید و مراقب خودتان باشید."],
    other: [
      "چشم‌به‌راه پاسخ شما هستم.",
      "هر وقت مجالی دست داد برایم بنویسید. از خواندن نامه‌تان خوشحال می‌شوم.",
    ],
  },
  ends: {
    plain: "با احترام،",
    warm: "با مهر فراوان،",
    formal: "با تقدیم احترام،",
    playful: "قربانت،",
    luxury: "با بهترین درودها،",
  },
  subject: (label) => `موضوع: ${label}`,
};
